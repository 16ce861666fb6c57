"""Where exports are written until they are complete: a hidden folder beside their place, removed whatever happens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..job import STAGE, UserError, cannot_write

_OWN_FILES = ("layers.json", "merged.png")

_HIDDEN: set[Path] = set()


@contextmanager
def hidden_folder(path: Path, token: str = "") -> Iterator[Path]:
    """Gives an empty folder beside `path`, which is removed at the end.

    token: makes the folder's name, STAGE + token, so that another process can remove it after this one was killed.
    Raises UserError where the place cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if token:
            hidden = path.parent / (STAGE + token)
            hidden.mkdir()
        else:
            hidden = Path(tempfile.mkdtemp(prefix=STAGE, dir=path.parent))
    except OSError as error:
        raise cannot_write(path.parent, error) from error
    _HIDDEN.add(hidden)
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        _HIDDEN.discard(hidden)


def drop_hidden_folders() -> None:
    """Removes the folders of running exports, before the process ends."""
    for hidden in list(_HIDDEN):
        shutil.rmtree(hidden, ignore_errors=True)


def check_replaceable(path: Path) -> None:
    """Raises UserError where the path holds anything but an earlier export of the same kind: it would be lost."""
    if path.suffix:
        if path.is_dir():
            raise UserError(f"{path} is a folder: choose another name")
        return
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file, and not a folder: choose another name")
    if path.is_dir() and not all(_is_own(item) for item in path.iterdir()):
        raise UserError(f"The folder {path} holds other files: choose another name, or an empty folder")


def _is_own(item: Path) -> bool:
    """Whether an export to a folder wrote this file or folder."""
    if item.name == "layers" and item.is_dir():
        return all(file.stem.isdigit() and file.suffix == ".png" for file in item.iterdir())
    return item.name in _OWN_FILES and item.is_file()


def place(hidden: Path, folder: Path) -> list[Path]:
    """Moves all that was written into the folder, over what is there. Returns the paths, sorted.

    Raises UserError where something cannot be replaced.
    """
    files = []
    for item in sorted(hidden.iterdir()):
        target, before = folder / item.name, hidden / "before"
        try:
            if item.is_dir() and target.is_dir():
                os.replace(target, before)
            os.replace(item, target)
        except OSError as error:
            if before.exists():
                os.replace(before, target)
            raise UserError(
                f"{target} cannot be replaced ({error.strerror}): close it in other programs, or choose another name"
            ) from error
        files.append(target)
    return files
