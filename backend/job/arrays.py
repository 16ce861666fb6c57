"""Arrays in .npz files. In one from anywhere, what they take is known, and limited, before anything is inflated."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from .errors import SHOWN, UserError, quoted
from .files import written_aside

MOST_BYTES = 8 << 30
"""Greatest size of all arrays, bytes: 20,000 primitives in 2,000 frames take 1.6 GB, a million in one take 60 MB."""

MOST_INFLATED = 20
"""Greatest ratio of that size to the file's: DiffBMP does not compress arrays, and real ones hardly shrink."""

USUAL_BYTES = 256 << 20
"""Size that any file may inflate to, bytes."""

_TYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
_HEADER = re.compile(r"\{'descr': (.+), 'fortran_order': (True|False), 'shape': \(((?:\d+,? ?){0,8})\),? ?\}\s*", re.S)
_MAGIC = b"\x93NUMPY"
_MOST_HEADER = 1 << 12
_MOST_ENTRIES = 100
_CHUNK = 1 << 20
_ENCRYPTED = 1  # flag of a zip's entry

Array = NDArray[Any]
Shapes = dict[str, tuple[int, ...]]


class _Damaged(Exception):
    """The file is no such archive. Its text says why."""


def write_arrays(path: Path, arrays: Mapping[str, Array], *, parents: bool = True) -> None:
    """Writes arrays to a .npz file by name, as numpy.savez does: see files.written_aside.

    On a full disk, numpy.savez leaves an archive that raises a second error when it is deleted.
    """
    with written_aside(path, parents=parents) as aside, zipfile.ZipFile(aside, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)  # type: ignore[no-untyped-call]


def read_arrays(path: Path, check: Callable[[Shapes], None]) -> dict[str, Array]:
    """Reads all arrays of numbers of a layout's .npz file by name.

    check: called with the arrays' shapes before they are read, to raise UserError for those that are not wanted. Raises
    UserError, too, for a file that is missing, damaged or encrypted, holds anything else, or inflates too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(archive)
            check({name: entry.shape for name, entry in entries.items()})
            size, limit = sum(entry.size for entry in entries.values()), MOST_INFLATED * path.stat().st_size
            if size > min(MOST_BYTES, max(USUAL_BYTES, limit)):
                raise UserError(
                    f"The layout {path} is too large: its arrays take {size >> 20:,} MB - fit fewer stamps or frames"
                )
            return {name: entry.read(archive) for name, entry in entries.items()}
    # RuntimeError: unknown compressions. OverflowError, struct.error: a damaged directory.
    except (_Damaged, OSError, ValueError, EOFError, RuntimeError, OverflowError, struct.error) as error:
        raise _unreadable(path, error) from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, error) from error
    except MemoryError as error:
        raise UserError(f"There is too little memory for the layout {path}: close other programs") from error


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or str(error)
    return UserError(f"{path} cannot be read as a layout: {reason[: 2 * SHOWN]}")


@dataclass(frozen=True)
class _Entry:
    """An array that is not yet read."""

    info: zipfile.ZipInfo
    start: int  # bytes before the numbers
    kind: np.dtype[Any]
    is_fortran: bool
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the numbers."""
        return prod(self.shape) * self.kind.itemsize

    def read(self, archive: zipfile.ZipFile) -> Array:
        numbers = np.empty(self.size, np.uint8)
        with archive.open(self.info) as stream:
            stream.read(self.start)
            for place in range(0, self.size, _CHUNK):
                part = numbers[place : place + _CHUNK]
                part[:] = np.frombuffer(_exactly(stream, len(part)), np.uint8)
        # A byte that is neither 0 nor 1 is no bool.
        array = numbers.astype(np.bool_) if self.kind == np.bool_ else numbers.view(self.kind)
        return array.reshape(self.shape, order="F" if self.is_fortran else "C")


def _entries(archive: zipfile.ZipFile) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    if len(archive.infolist()) > _MOST_ENTRIES:
        raise _Damaged(f"it holds {len(archive.infolist()):,} files")
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in entries:
            raise _Damaged(f"it holds {quoted(name)} twice")
        if info.flag_bits & _ENCRYPTED or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _Damaged("it is encrypted, or compressed in another way")
        with archive.open(info) as stream:
            entries[name] = _entry(info, name, stream)
    return entries


def _entry(info: zipfile.ZipInfo, name: str, stream: IO[bytes]) -> _Entry:
    start = stream.read(8)
    # The length of the header has 2 bytes in version 1.0, and 4 in 2.0.
    digits = {_MAGIC + b"\1\0": 2, _MAGIC + b"\2\0": 4}.get(start)
    if digits is None:
        raise _Damaged(f"{quoted(name)} is not an array of numbers")
    length = int.from_bytes(_exactly(stream, digits), "little")
    found = None
    if length <= _MOST_HEADER:
        found = _HEADER.fullmatch(_exactly(stream, length).decode("latin-1"))
    if found is None:
        raise _Damaged(f"{quoted(name)} has a header that is unknown")
    kind, shape = found[1].strip("'"), tuple(int(side) for side in re.findall(r"\d+", found[3]))
    if kind[:1] not in "<>|=" or kind[1:] not in _TYPES:
        raise _Damaged(f"{name} is not an array of numbers")
    entry = _Entry(info, len(start) + digits + length, np.dtype(kind), found[2] == "True", shape)
    if info.file_size != entry.start + entry.size:
        raise _Damaged(f"{quoted(name)} has another length than it says")
    return entry


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise _Damaged("it ends too early")
    return data
