"""Files and folders that are written aside, locked, and put in place."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import pytest

from backend.job import written_aside
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
