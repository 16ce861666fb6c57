"""The place of an export, and how what was written beside it comes there."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

from ..job import STAGE, UserError, is_harmless, put_in_place


def check_replaceable(path: Path) -> None:
    """Raises UserError where the path holds anything but an earlier export of the same kind: it would be lost."""
    if path.suffix:
        if path.is_dir():
            raise UserError(f"{path} is a folder: choose another name")
        return
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file, and not a folder: choose another name")
    if path.is_dir():
        _check_own(path, path)


def _check_own(folder: Path, shown: Path) -> None:
    """Raises UserError where a folder, which is or was at `shown`, holds anything that no export writes."""
    inside = folder / "layers"
    files = sorted(inside.iterdir()) if inside.is_dir() and not inside.is_symlink() else []
    for item in [*sorted(folder.iterdir()), *files]:
        known = re.fullmatch(r"\d{4,}\.png" if item.parent == inside else r"layers\.json|merged\.png", item.name)
        own = item == inside if item.is_dir() else item.is_file() and (known or is_harmless(item.name))
        if item.is_symlink() or not own:
            foreign = item.relative_to(folder).as_posix()
            raise UserError(
                f"The folder {shown} holds other files: choose another name, or an empty folder, not to lose {foreign}"
            )


def place(hidden: Path, folder: Path) -> list[Path]:
    """Moves all that was written into the folder, over what is there. Returns the paths, sorted.

    Raises UserError where something cannot be replaced.
    """
    files = []
    for item in sorted(path for path in hidden.iterdir() if not path.name.startswith(STAGE)):
        target = folder / item.name
        try:
            if item.is_dir():
                put_in_place(item, target, partial(_check_own, shown=target))
            else:
                os.replace(item, target)
        except OSError as error:
            raise UserError(
                f"{target} cannot be replaced ({error.strerror}): close it in other programs, or choose another name"
            ) from error
        files.append(target)
    return files
