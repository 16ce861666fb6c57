"""On a full disk, a run ends with one sentence, leaves what was there, and works again when there is room."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trust.support.full_disk import small_disk

LEVELS = 4
"""Fill levels in the suite; `python -m tests.trust.support.full_disk` takes 20 of every kind of run."""

GROUPS = [
    ["still over an older one", "recording"],
    ["clip", "clip over a still"],
    ["psd over an older one", "ora", "folder", "png", "svg", "json"],
    ["gif", "webp", "mp4"],
    ["animate", "merge"],
]


@pytest.fixture
def disk(tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "try"):
            pass
    except PermissionError as error:
        pytest.skip(str(error))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("group", GROUPS, ids=", ".join)
def test_a_full_disk_harms_nothing(disk: None, group: list[str]) -> None:
    command = [sys.executable, "-m", "tests.trust.support.full_disk", "--levels", str(LEVELS), *group]
    ended = subprocess.run(command, capture_output=True, text=True)
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [entry["kind"] for entry in found] == group, ended.stderr
    assert not [entry for entry in found if entry["wrong"]]
