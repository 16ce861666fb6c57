"""Files and folders that are written aside and renamed, by the standard library only."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import cannot_write


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` and renames it at the end; after an error, nothing is left behind.

    Raises UserError where the folder cannot be written to or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise cannot_write(path.parent, error) from error
    aside = Path(name)
    try:
        yield aside
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_aside(folder: Path) -> Iterator[Path]:
    """Yields an empty folder beside `folder` and renames it at the end, replacing an older one.

    After an error, the older one is unchanged. Raises UserError where the place cannot be written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise cannot_write(folder.parent, error) from error
    try:
        yield aside
        os.chmod(aside, 0o777 & ~_umask())
        if folder.exists():
            _exchange(aside, folder)
        else:
            os.replace(aside, folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(aside: Path, folder: Path) -> None:
    """Replaces a folder by `aside` and removes it; restores it where that fails."""
    attic = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    old = attic / folder.name
    try:
        os.replace(folder, old)
        os.replace(aside, folder)
    except OSError:
        if old.exists():
            os.replace(old, folder)
        attic.rmdir()
        raise
    shutil.rmtree(attic, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
