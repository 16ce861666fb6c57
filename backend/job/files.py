"""Files and folders that are written aside and renamed, by the standard library only.

Everything temporary is called STAGE and 8 random characters, and is locked by its owner while it lives: `sweep` removes
what killed processes have left.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from .errors import UserError, cannot_write
from .locks import LIVE, STAGE, Hold, ownerless

T = TypeVar("T")
Check = Callable[[Path], None]
Make = Callable[[Path, str], Path]

_LONGEST_SUFFIX = 20  # letters
_TRIES, _WAIT_SECONDS = 20, 0.01
_HARMLESS = (".DS_Store", ".directory", "Thumbs.db", "desktop.ini")
_ATTIC = ".old"
"""Suffix of a folder that holds an older one, by its own name, while another takes its place."""


def is_harmless(name: str) -> bool:
    """Whether a file of this name is what a file browser, a system or a killed run leaves in a folder."""
    return name in _HARMLESS or name.startswith(("._", STAGE))  # ._: of macOS on a disk of another system


def resolved(path: Path) -> Path:
    """Returns a path without symbolic links. Raises UserError where they lead in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise cannot_write(path, error if isinstance(error, OSError) else None) from error


@contextmanager
def written_aside(path: Path, *, parents: bool = True) -> Iterator[Path]:
    """Yields a temporary path beside `path` and renames it at the end; after an error, nothing is left behind.

    parents: makes missing folders. Raises UserError where the folder cannot be written to or the disk is full.
    """
    suffix = path.suffix if len(path.suffix) <= _LONGEST_SUFFIX else ""
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(_new_file, path.parent, suffix, path) as (aside, hold):
            yield aside
            os.chmod(aside, 0o666 & ~_umask())
            hold.let_go()
            _replace(aside, path)
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def folder_aside(folder: Path, check: Check = lambda old: None) -> Iterator[Path]:
    """Yields an empty folder beside `folder` and renames it at the end, replacing an older one at once.

    check: is called with the older folder, before and after that; where it raises, as after any error, the older one is
    unchanged. Raises UserError where the place cannot be written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(_new_folder, folder.parent, "", folder) as (aside, hold):
            yield aside
            os.chmod(aside, 0o777 & ~_umask())
            hold.let_go()
            put_in_place(aside, folder, check)
    except OSError as error:
        raise cannot_write(folder, error) from error


@contextmanager
def hidden_folder(path: Path, token: str = "") -> Iterator[Path]:
    """Yields an empty temporary folder beside `path`, which is removed at the end.

    token: makes its name, STAGE + token, so that another process can remove it after this one was killed. Raises
    UserError where it cannot be written to, or what is written into it.
    """
    make = partial(_named_folder, token) if token else _new_folder
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(make, path.parent, "", path.parent) as (hidden, _):
            yield hidden
    except OSError as error:
        raise cannot_write(path, error) from error


def put_in_place(new: Path, place: Path, check: Check = lambda old: None) -> None:
    """Gives a folder a name, and removes an older one of that name; see folder_aside. Raises OSError."""
    if place.is_symlink() or not place.is_dir():
        _replace(new, place)
        return
    check(place)
    with Hold(place):  # once it is aside, a sweep may find it
        swapped = _swap(new, place)
        if swapped:
            try:
                check(new)  # what came at the last moment
            except BaseException:
                if not _swap(new, place):  # what came there is gone again
                    _replace(new, place)
                raise
            shutil.rmtree(new, ignore_errors=True)
    if not swapped:
        _replace_in_steps(new, place, check)


def settled(folder: Path, read: Callable[[], T]) -> T:
    """Returns what `read` reads from a layout folder: again where a run has changed the folder meanwhile."""
    tries = _TRIES
    while True:
        before = _version(folder)
        try:
            result = read()
            if not tries or _version(folder) == before:
                return result
        except UserError:
            away = before is None and any(folder.parent.glob(f"{STAGE}*{_ATTIC}"))  # for a moment
            if not tries or (_version(folder) == before and not away):
                raise
        tries -= 1
        time.sleep(_WAIT_SECONDS)


def _version(folder: Path) -> list[tuple[int, int]] | None:
    """Returns what changes with the layout in a folder; None where there is none."""
    try:
        states = [(folder / name).stat() for name in ("layout.npz", "layout.json")]
    except OSError:
        return None
    return [(state.st_ino, state.st_mtime_ns) for state in states]


def linked_copy(folder: Path, place: Path) -> None:
    """Copies a folder, whose files get second names where the file system has links. Raises OSError, shutil.Error."""
    shutil.copytree(folder, place, copy_function=_linked)


def _linked(source: str, place: str) -> None:
    try:
        os.link(source, place)
    except OSError:
        shutil.copy2(source, place)


def sweep(folder: Path) -> None:
    """Removes what killed processes have left in a folder. What is in use stays, and so does what may be."""
    with suppress(OSError):
        for path in sorted(folder.glob(f"{STAGE}*")):
            with suppress(OSError), ownerless(path):
                if path.suffix == _ATTIC:
                    _give_back(path)
                _remove(path)


def drop_temporary() -> None:
    """Removes what this process has not finished, before it ends at once. An older folder that is aside stays."""
    for path in list(LIVE):
        _remove(path)


@contextmanager
def _temporary(make: Make, parent: Path, suffix: str, shown: Path) -> Iterator[tuple[Path, Hold]]:
    """Yields a new temporary file or folder, which is removed at the end; sentences say `shown` instead.

    make: is called with the parent and the suffix. Raises OSError where that does, and UserError as the block does.
    """
    path, hold = _held(make, parent, suffix)
    LIVE.add(path)
    try:
        yield path, hold
    except UserError as error:
        if str(path) not in error.message:
            raise
        raise UserError(error.message.replace(str(path), str(shown)), error.action) from error
    finally:
        hold.let_go()
        _remove(path)
        LIVE.discard(path)
        hold.close()


def _held(make: Make, parent: Path, suffix: str) -> tuple[Path, Hold]:
    tries = _TRIES
    while True:
        path = make(parent, suffix)
        try:
            return path, Hold(path)
        except OSError:  # a sweep has found it before it was locked
            _remove(path)
            tries -= 1
            if not tries:
                raise


def _new_file(parent: Path, suffix: str) -> Path:
    handle, name = tempfile.mkstemp(prefix=STAGE, suffix=suffix, dir=parent)
    os.close(handle)
    return Path(name)


def _new_folder(parent: Path, suffix: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=STAGE, suffix=suffix, dir=parent))


def _named_folder(token: str, parent: Path, suffix: str) -> Path:
    path = parent / (STAGE + token + suffix)
    path.mkdir()
    return path


def _remove(path: Path) -> None:
    """Removes a file, or a folder at once, where that is possible: another thread may be about to put it in place."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            gone = path.with_name(f"{path.name}~")
            os.replace(path, gone)
            shutil.rmtree(gone, ignore_errors=True)
        else:
            path.unlink()


def _swap(one: Path, other: Path) -> bool:
    """Exchanges two folders at once. Returns False where the system or the file system cannot."""
    if sys.platform == "win32":
        return False
    system, names = ctypes.CDLL(None), (os.fsencode(one), os.fsencode(other))
    here, exchange = -100, 2  # AT_FDCWD; RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS
    if hasattr(system, "renameat2"):
        return bool(system.renameat2(here, names[0], here, names[1], exchange) == 0)
    return hasattr(system, "renamex_np") and bool(system.renamex_np(*names, exchange) == 0)


def _replace_in_steps(new: Path, place: Path, check: Check) -> None:
    """Replaces a folder by another and removes it. Where that fails it comes back, and after a kill by a sweep."""
    attic, hold = _held(_new_folder, place.parent, _ATTIC)
    old = attic / place.name
    try:
        _replace(place, old)
        try:
            check(old)
            _replace(new, place)
        except BaseException:
            _put_back(old, place)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        hold.let_go()
        with suppress(OSError):  # what could not come back stays
            attic.rmdir()
        hold.close()


def _put_back(old: Path, place: Path) -> None:
    """Moves a folder out of its attic to its place, or beside it where another has come there."""
    try:
        _replace(old, place)
    except OSError:
        _replace(old, place.with_name(place.name + old.parent.stem[len(STAGE) - 1 :]))


def _give_back(attic: Path) -> None:
    """Moves what an attic holds to its place where nothing has come there."""
    for old in attic.iterdir():
        if not os.path.lexists(attic.parent / old.name):
            os.replace(old, attic.parent / old.name)


def _replace(aside: Path, path: Path) -> None:
    """Renames a file or folder, over another file; on Windows, it waits until nobody reads them, for a moment."""
    for _ in range(_TRIES if sys.platform == "win32" else 0):
        with suppress(PermissionError):
            os.replace(aside, path)
            return
        time.sleep(_WAIT_SECONDS)
    os.replace(aside, path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
