"""What runs write into a result folder, by its names: everything else is an artist's own, and stays."""

from __future__ import annotations

import os
import re
import unicodedata
from contextlib import suppress
from pathlib import Path

from ..job import STAGE, UserError, is_harmless

RECORDING = "recording"
"""Folder of the recording, if there is one: a layout of many frames with the stamps of the result."""

PROGRESS = "progress"
"""Folder of the frames that an unfinished fit of a clip has done."""

SEAL = "job"
"""File in the folder of progress that identifies its job."""

_FILES = {
    "": r"layout\.(npz|json)|(preview|render|metrics)\.png|metrics\.json",
    "templates": r"\d{3,}_[\w-]+\.png",
    "levels": r"\d{3,}\.(png|json)|\d{3,}_\d+x\d+\.png",  # the second by earlier versions
    "render": r"-?\d{3,}\.png",
    RECORDING: r"layout\.(npz|json)",
    PROGRESS: rf"{SEAL}|preview\.png|(frame|shot)_\d+(_region_\d+)?\.npz",
}
"""Patterns of the files in the folder itself, and in its folders."""

ROOMS = tuple(filter(None, _FILES))
"""Folders of a result."""

_EARLIER = re.compile(r"\.(.+)-[a-z0-9_]{8}(\.\w+|)")
"""Name of a temporary file of an earlier version."""


def foreign(folder: Path) -> str:
    """Returns the path in a folder of something that no run has written, "" where there is none. Raises OSError."""
    # By name alone, a folder such as render/ may belong to anyone.
    whole = (folder / "layout.json").is_file()
    for item in _listed(folder):
        if not item.is_dir(follow_symlinks=False):
            if not _is_own(item, "", only_temporary=not whole):
                return item.name
        elif not item.name.startswith(STAGE):
            if item.name not in _FILES or not (whole or item.name == PROGRESS):
                return item.name
            unsealed = not whole and not (folder / item.name / SEAL).is_file()
            strangers = [file for file in _listed(item) if not _is_own(file, item.name, unsealed)]
            if strangers:
                return item.name if unsealed else f"{item.name}/{strangers[0].name}"
    return ""


def _listed(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    """Returns what a folder holds, by name. Systems tell with the names what is a file: no file is asked for itself."""
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def check_own(folder: Path, shown: Path) -> None:
    """Raises UserError where a folder, which is or was at `shown`, holds anything that no run has written."""
    if name := foreign(folder):
        raise UserError(f"{shown} holds other things than a result ({name}): choose a new or an empty folder")


def check_own_progress(folder: Path, shown: Path) -> None:
    """Raises UserError where a folder of progress, which is or was at `shown`, holds what no run has written."""
    if strangers := [file.name for file in _listed(folder) if not _is_own(file, PROGRESS)]:
        raise UserError(f"{shown} holds other things than progress ({strangers[0]}): move them elsewhere")


def remove_progress(folder: Path) -> None:
    """Removes the files of progress in a folder, the seal last, and the folder unless an artist's file is in it."""
    with suppress(OSError):
        for file in sorted(_listed(folder), key=lambda file: file.name == SEAL):
            if _is_own(file, PROGRESS):
                os.unlink(file)
        folder.rmdir()


def is_part(name: str) -> bool:
    """Whether a file or folder of a result has this name."""
    return bool(name) and (name in _FILES or re.fullmatch(_FILES[""], name) is not None)


def _is_own(file: os.DirEntry[str], room: str, only_temporary: bool = False) -> bool:
    """Whether this is a file that runs write into a folder of a result, or into the result itself, ""."""
    if not file.is_file(follow_symlinks=False):
        return False
    if is_harmless(file.name):
        return True
    name = unicodedata.normalize("NFC", file.name)  # some disks keep letters and their accents apart
    earlier = _EARLIER.fullmatch(name)
    if only_temporary and not earlier:
        return False
    return re.fullmatch(_FILES[room], "".join(earlier.groups()) if earlier else name) is not None
