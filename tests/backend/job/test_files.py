"""Files and folders that are written aside, locked, and put in place."""

from __future__ import annotations

import errno
import os
import re
import struct
import sys
from pathlib import Path

import pytest

from backend.job import UserError, files, folder_aside, sweep, written_aside
from backend.job.locks import lock


@pytest.mark.skipif(sys.platform != "linux", reason="these locks are Linux's")
def test_a_lock_leaves_the_bytes_of_a_file_free(tmp_path: Path) -> None:
    # A file server of Windows makes of such a lock one that keeps others from these bytes.
    import fcntl

    with written_aside(tmp_path / "a.txt") as aside:
        other = os.open(aside, os.O_RDWR)
        try:
            with pytest.raises(BlockingIOError):
                lock(other)
            fcntl.fcntl(other, fcntl.F_OFD_SETLK, struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 1 << 50, 0))
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(other)


@pytest.mark.parametrize("at_once", [True, False])
def test_an_older_folder_comes_back_whatever_has_come_to_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    if not at_once:
        monkeypatch.setattr(files, "_swap", lambda one, other: False)
    place, calls = tmp_path / "out", list[Path]()
    place.mkdir()
    (place / "holiday.jpg").write_text("mine")

    def check(old: Path) -> None:
        calls.append(old)
        if len(calls) == 2:
            if at_once:
                place.rename(tmp_path / "elsewhere")
            else:
                place.mkdir()
                (place / "also.jpg").write_text("mine, too")
            raise UserError("no")

    with pytest.raises(UserError, match="no"), folder_aside(place, check):
        pass
    sweep(tmp_path)
    assert [file.read_text() for file in tmp_path.rglob("holiday.jpg")] == ["mine"]
    if not at_once:
        assert (place / "also.jpg").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_cannot_be_held_has_the_reason_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold(path: Path) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(files, "Hold", hold)
    with pytest.raises(UserError, match=re.escape(os.strerror(errno.EMFILE))), written_aside(tmp_path / "a.txt"):
        pass
    assert not list(tmp_path.iterdir())
