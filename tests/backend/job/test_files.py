"""Files and folders that are written aside, locked, and put in place."""

from __future__ import annotations

import errno
import os
import re
import shutil
import struct
import sys
import threading
from pathlib import Path

import pytest

from backend.job import UserError, files, folder_aside, sweep, written_aside
from backend.job.locks import _SET_LOCK, lock


@pytest.mark.skipif(sys.platform != "linux", reason="these locks are Linux's")
def test_a_lock_leaves_the_bytes_of_a_file_free(tmp_path: Path) -> None:
    # A file server of Windows makes of such a lock one that keeps others from these bytes.
    import fcntl

    with written_aside(tmp_path / "a.txt") as aside:
        other = os.open(aside, os.O_RDWR)
        try:
            with pytest.raises(BlockingIOError):
                lock(other)
            fcntl.fcntl(other, _SET_LOCK, struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 1 << 50, 0))
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


@pytest.mark.skipif(sys.platform == "win32", reason="there, nothing removes a folder that another thread has open")
def test_a_folder_that_is_being_removed_comes_to_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A worker that ends at once removes its temporary folders while another thread still writes them.
    place, rmtree = tmp_path / "out", shutil.rmtree
    place.mkdir()
    (place / "one").write_text("older")
    begun, go_on = threading.Event(), threading.Event()

    def slow(path: Path, ignore_errors: bool) -> None:
        (Path(path) / "one").unlink()
        begun.set()
        go_on.wait(30)
        rmtree(path, ignore_errors=ignore_errors)

    def write() -> None:
        with folder_aside(place) as aside:
            (aside / "one").write_text("new")
            threading.Thread(target=files._remove, args=(aside,)).start()
            assert begun.wait(30)

    monkeypatch.setattr(shutil, "rmtree", slow)
    with pytest.raises(UserError, match="cannot be written to"):
        write()
    go_on.set()
    assert (place / "one").read_text() == "older"
