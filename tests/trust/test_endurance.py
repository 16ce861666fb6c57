"""A warm worker after 40 mixed jobs holds no more than after 15. `python -m tests.trust.endurance` runs 500."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trust.endurance import held_after
from tests.trust.support import machine

MORE_MEMORY = 1.25
"""The greatest growth of the memory: after 15 jobs not all formats were written once. It is 3 % from job 100 to 500."""


@pytest.mark.timeout(300)
@pytest.mark.skipif(not machine.KNOWN, reason="only Linux says what a process holds")
def test_a_warm_worker_holds_no_more_after_many_jobs(tmp_path: Path) -> None:
    early, late = held_after(tmp_path, [15, 40])
    assert (late.fds, late.threads, late.temporary) == (early.fds, early.threads, 0)
    assert late.memory <= MORE_MEMORY * early.memory
