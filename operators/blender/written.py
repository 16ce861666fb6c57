"""Files that Blender itself writes: where a disk is full, it says nothing and leaves a part of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...backend.job import UserError, cannot_write
from .images import ByteArray, read_file

_PNG_END = b"IEND\xaeB`\x82"
_BLEND_END, _PACKED_BLEND_END = b"ENDB", b"\xb1\xea\x92\x8f"
_BLEND_TAILS = (24, 32)
"""Lengths of the last block of a .blend that is not compressed, in bytes: of Blender 4.5, and since 5.0."""

_SEGMENT = b"\x18\x53\x80\x67"


class NotWritten(UserError):
    """Blender could not write a file, or only a part of it."""


@contextmanager
def passing_folder() -> Iterator[Path]:
    """Yields a folder for files that Blender writes and that are read at once; it is removed at the end.

    Raises NotWritten where nothing can be written into it. Sentences that name something in it say so, too.
    """
    folder = ""
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    except UserError as error:
        if not folder or folder not in error.message:
            raise
        raise _no_room() from error
    except OSError as error:
        raise _no_room(error) from error


def read_written(path: Path) -> ByteArray:
    """Reads a PNG that Blender has written: [h, w, 4], straight alpha, display-encoded. Raises NotWritten."""
    check_whole(path)
    return read_file(path)


def check_whole(path: Path) -> None:
    """Raises NotWritten unless a file that Blender has written is whole: see is_whole."""
    if not path.is_file():
        raise NotWritten(f"{path} was not written: see that there is space and permission, and try again")
    if not is_whole(path):
        raise NotWritten(f"{path} is incomplete: free some space on its disk, remove it, and try again")


def is_whole(path: Path) -> bool:
    """Returns whether a PNG, a .blend, or a movie in a container of MPEG-4 or Matroska has its end."""
    try:
        with open(path, "rb") as file:
            return _CHECKS[path.suffix.lower()](file, path.stat().st_size)
    except OSError:
        return False


def _no_room(error: OSError | None = None) -> NotWritten:
    place = f"The temporary folder {tempfile.tempdir}" if tempfile.tempdir else "The temporary folder"
    return NotWritten(cannot_write(place, error, "set TMPDIR to another").message)


def _end(file: BinaryIO, size: int, length: int) -> bytes:
    file.seek(max(0, size - length))
    return file.read()


def _whole_png(file: BinaryIO, size: int) -> bool:
    return _end(file, size, len(_PNG_END)) == _PNG_END


def _whole_blend(file: BinaryIO, size: int) -> bool:
    end = _end(file, size, max(_BLEND_TAILS))
    return end.endswith(_PACKED_BLEND_END) or any(end[-tail:].startswith(_BLEND_END) for tail in _BLEND_TAILS)


def _whole_mpeg4(file: BinaryIO, size: int) -> bool:
    """Its boxes follow each other up to its end, and one of them tells of all frames."""
    place, kinds = 0, set()
    while place < size:
        file.seek(place)
        length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if length < 8:
            return False
        kinds.add(kind)
        place += length
    return place == size and b"moov" in kinds


def _whole_matroska(file: BinaryIO, size: int) -> bool:
    """Its segment, whose length is written last, ends with it."""
    file.seek(4)
    header = _length(file)
    file.seek(header, 1)
    return file.read(4) == _SEGMENT and _length(file) + file.tell() == size


def _length(file: BinaryIO) -> int:
    """Reads a number of Matroska's: the zeros before its first bit tell how many bytes follow."""
    first = file.read(1)
    more = 8 - int.from_bytes(first, "big").bit_length()
    return int.from_bytes(first + file.read(more), "big") & ((1 << 7 * (more + 1)) - 1)


_CHECKS = {
    ".png": _whole_png,
    ".blend": _whole_blend,
    ".mp4": _whole_mpeg4,
    ".mov": _whole_mpeg4,
    ".mkv": _whole_matroska,
}
