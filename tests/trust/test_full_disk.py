"""On a full disk, a run ends with one sentence, leaves what was there, and works again when there is room."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from backend.job import Clip, UserError
from backend.pictures.movies import Footage
from tests.support.small_disk import skip_without_disk, small_disk

LEVELS = 3
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
    skip_without_disk(tmp_path / "try")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("group", GROUPS, ids=", ".join)
def test_a_full_disk_harms_nothing(disk: None, group: list[str]) -> None:
    command = [sys.executable, "-m", "tests.trust.support.full_disk", "--levels", str(LEVELS), *group]
    ended = subprocess.run(command, capture_output=True, text=True)
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [entry["kind"] for entry in found] == group, ended.stderr
    assert not [entry for entry in found if entry["wrong"]]


def test_a_full_or_missing_temporary_folder_is_named(
    disk: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "frames").mkdir()
    for number in (1, 2):
        Image.new("RGB", (64, 64)).save(tmp_path / "frames" / f"{number:04d}.png")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(UserError, match=r"need a temporary folder .*: set TMPDIR"):
        Footage(tmp_path / "frames", Clip(), 64)
    with small_disk(tmp_path / "disk") as place:
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        status = os.statvfs(place)
        (place / "filler").write_bytes(bytes((status.f_bavail - 1) * status.f_frsize))
        with pytest.raises(UserError, match=r"take 0\.\d MB, but .*disk has room for 0\.0 MB: .*free some space"):
            Footage(tmp_path / "frames", Clip(), 64)
        (place / "filler").unlink()
        with Footage(tmp_path / "frames", Clip(), 64) as footage:
            assert len(footage) == 2
