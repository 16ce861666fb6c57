"""A small disk, to fill up: a file system in memory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DISK = 4 << 20  # bytes
PAGE = 4096


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """Yields a new folder that is a file system of DISK bytes. Raises PermissionError where none may be mounted."""
    place.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PermissionError("no file system can be mounted here") from error
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def skip_without_disk(place: Path) -> None:
    """Skips a test where no file system can be mounted."""
    try:
        with small_disk(place):
            pass
    except PermissionError as error:
        pytest.skip(str(error))
