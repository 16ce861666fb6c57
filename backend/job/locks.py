"""Locks on files and folders, which the system frees when their owner ends, however it ends."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import SHOWN, UserError, cannot_write

STAGE = ".diffbmp-"
"""Prefix of every temporary file and folder beside an artist's files."""

LIVE: set[Path] = set()
"""The temporary files and folders of this process: see files.drop_temporary."""

_MARK = STAGE + "lock"
"""File in a folder that is locked in its stead on Windows, where a folder cannot be."""

_BEHIND = 1 << 20 if sys.platform == "win32" else 1 << 62
"""The byte of a file that is locked: Windows, and its file servers, let no other handle read or write that one.

On Windows itself, locks reach to 2 GB only; what is locked there is small.
"""

_SET_LOCK = 37
"""F_OFD_SETLK of Linux, which Python lacks where it was built for old systems, as Conda's is."""

_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES)
_TRIES, _WAIT_SECONDS = 20, 0.01  # while a sweep looks at a file


def lock(handle: int) -> None:
    """Locks an open file. Raises OSError at once where it is locked already, or the file system has no locks."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, _BEHIND, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        if sys.platform == "linux" and not stat.S_ISDIR(os.fstat(handle).st_mode):
            # Not flock: on a file server of Windows, it keeps all others, this process too, from all bytes.
            byte = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, _BEHIND, 1, 0)
            fcntl.fcntl(handle, _SET_LOCK, byte)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Hold:
    """Holds a file or folder of this process's, so that no sweep removes it, until it is closed or the process ends.

    On a file system without locks it holds nothing; a sweep then leaves what it finds.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError where a sweep was faster: the path is gone, or about to go."""
        self._mark = path / _MARK if sys.platform == "win32" and path.is_dir() else None
        self._handle = _opened(self._mark or path, os.O_CREAT if self._mark else 0)
        if sys.platform == "win32":  # no one can delete an open file
            return
        try:
            lock(self._handle)
        except OSError as error:
            if error.errno in _HELD:
                self.close()
                raise
            return
        try:
            _check_at(self._handle, path)
        except OSError:
            self.close()
            raise

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def let_go(self) -> None:
        """Prepares for a new name or the end of what is held: on Windows, nothing open can be renamed or deleted."""
        if sys.platform == "win32":
            self.close()

    def close(self) -> None:
        if self._handle < 0:
            return
        os.close(self._handle)
        self._handle = -1
        if self._mark is not None:
            with suppress(OSError):
                self._mark.unlink()


@contextmanager
def ownerless(path: Path) -> Iterator[None]:
    """Keeps others from a file or folder for the time of the block. Raises OSError where its owner lives, or may."""
    if sys.platform == "win32":
        if path.is_dir():
            (path / _MARK).unlink(missing_ok=True)
        yield
        return
    handle = _opened(path)
    try:
        lock(handle)
        _check_at(handle, path)
        yield
    finally:
        os.close(handle)


@contextmanager
def sole_writer(place: Path, what: str) -> Iterator[None]:
    """Keeps other runs from a place for the time of the block. what: this kind of run, for their sentence.

    Raises UserError where another run writes to the place, which it names, and where nothing can be written beside it.
    """
    digest = hashlib.sha256(os.path.normcase(place.name).encode("utf-8", "surrogateescape")).hexdigest()
    path = place.parent / f"{STAGE}{digest[:8]}.lock"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle = _taken(path)
    except OSError as error:
        raise cannot_write(place, error) from error
    if handle is None:
        raise UserError(f"{place} is being written by another {_holder(path)}: wait for it, or choose another folder")
    LIVE.add(path)
    try:
        with suppress(OSError):  # a full disk: it stays nameless
            os.ftruncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
            os.write(handle, f"{what} (process {os.getpid()} on {socket.gethostname()})".encode())
        yield
    finally:
        if sys.platform == "win32":
            os.close(handle)
        with suppress(OSError):
            path.unlink()
        LIVE.discard(path)
        if sys.platform != "win32":
            os.close(handle)


def _taken(path: Path) -> int | None:
    """Opens and locks a file, which it makes if needed; None where another process holds it."""
    for _ in range(_TRIES):
        handle = _opened(path, os.O_CREAT)
        try:
            lock(handle)
            _check_at(handle, path)
        except OSError as error:
            if error.errno not in (*_HELD, errno.ENOENT):  # no locks here
                return handle
            os.close(handle)
        else:
            return handle
        time.sleep(_WAIT_SECONDS)  # a sweep may look at it
    return None


def _holder(path: Path) -> str:
    """Says which run writes to a place."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return "".join(filter(str.isprintable, text))[:SHOWN] or "run"


def _opened(path: Path, flags: int = 0) -> int:
    """Opens a file or folder, and follows no symbolic link."""
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # of a pipe, opening would wait
    flags |= os.O_RDONLY if path.is_dir() else os.O_RDWR
    return os.open(path, flags, 0o666)


def _check_at(handle: int, path: Path) -> None:
    """Raises FileNotFoundError where what is open lies no longer there."""
    if not os.path.samestat(os.fstat(handle), path.lstat()):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
