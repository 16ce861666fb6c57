"""A file in a job's folder that is locked while Blender watches the job: it is freed when the process ends."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ...backend.job.locks import lock

_NAME = "in-work"


class JobLock:
    """Holds the lock of a job's folder until it is closed. Raises OSError where another process holds it."""

    def __init__(self, job: Path) -> None:
        self._path = job / _NAME
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            lock(self._handle)
        except OSError:
            os.close(self._handle)
            raise

    def close(self) -> None:
        os.close(self._handle)
        with suppress(OSError):
            self._path.unlink()


def is_locked(job: Path) -> bool:
    """Returns whether a process, this one included, watches a job."""
    try:
        handle = os.open(job / _NAME, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:  # on Windows, where it is locked
        return True
    try:
        lock(handle)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
