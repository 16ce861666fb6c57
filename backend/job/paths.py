"""Files that a folder from anywhere names: they lie below it, and are no links out of it, pipes or devices."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

from .errors import UserError, quoted

_ADVICE = "put the file into that folder"


def inside(folder: Path, name: str, *, outside: bool = False, folders: bool = False, advice: str = _ADVICE) -> str:
    """Returns the path of a file that a folder's job or layout names, whether it exists or not; "" for "".

    outside: it may lie anywhere. folders: it may be a folder. advice: what to do otherwise. Raises UserError for a name
    that leads out of the folder, as written on any system or by a link, and for all that is no regular file: to open a
    pipe may take forever.
    """
    if not name:
        return ""
    path = folder / name
    try:
        # First by its letters alone: to look for a file of another computer would call that one.
        problem = ("" if outside else _way_out(folder, name)) or _problem_of_kind(path, folders)
    except (OSError, ValueError) as error:  # too long, a loop of links, without permission; no text, a NUL
        problem = f"cannot be read ({getattr(error, 'strerror', None) or 'it is no name of a file'})"
    if problem:
        raise UserError(f"{folder} names {quoted(name)}, which {problem}: {advice}")
    return str(path)


def relative(folder: Path, name: str) -> str:
    """Returns the name to write for a file, relative where its path is absolute and below the folder: see `inside`."""
    if not os.path.isabs(name):
        return name
    path = Path(name)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else name


def check_entries(folder: Path, name: str, *, advice: str = _ADVICE) -> None:
    """Raises UserError as `inside` does for the files in a folder that a folder's job names."""
    with os.scandir(folder / name) as entries:
        for entry in entries:
            if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
                inside(folder, str(PurePosixPath(name, entry.name)), folders=True, advice=advice)


def _problem_of_kind(path: Path, folders: bool) -> str:
    os.fsencode(path)
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if stat.S_ISREG(mode) or (folders and stat.S_ISDIR(mode)):
        return ""
    return "is a folder, not a file" if stat.S_ISDIR(mode) else "is no regular file"


def _way_out(folder: Path, name: str) -> str:
    # With the separators and the drives of all systems: what is written here may be read there.
    written = PureWindowsPath(name)
    if written.drive or written.root or PurePosixPath(name).is_absolute():
        return "is an absolute path"
    depth = 0
    for part in written.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return "leads out of it"
    if not Path(os.path.realpath(folder / name)).is_relative_to(os.path.realpath(folder)):
        return "is a link out of it"
    return ""
