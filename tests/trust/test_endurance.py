"""A warm worker after 50 mixed jobs holds no more than after 25. `python -m tests.trust.endurance` runs 500."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trust.endurance import held_after
from tests.trust.support import machine

MORE_MEMORY = 1.1
"""The greatest growth of the memory. After 25 jobs all libraries are loaded: it is 3 % from there to job 200."""


@pytest.mark.timeout(300)
@pytest.mark.skipif(not machine.KNOWN, reason="only Linux says what a process holds")
def test_a_warm_worker_holds_no_more_after_many_jobs(tmp_path: Path) -> None:
    early, late = held_after(tmp_path, [25, 50])
    assert (late.fds, late.threads, late.temporary) == (early.fds, early.threads, 0)
    assert late.memory <= MORE_MEMORY * early.memory
