"""The durations of an animated picture's frames, from the heads of its blocks: no frame is decoded.

Formats: CompuServe, GIF89a; W3C, Portable Network Graphics, third edition; Google, WebP container specification.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ..job.errors import packages_named
from .images import opened

_SHORTEST, _INSTEAD = 10.0, 100.0
"""Browsers show frames of 10 ms or less, and those without a duration, for 100 ms."""


def durations(path: Path) -> list[float]:
    """Returns the duration of each frame of an animated picture, ms; at least one.

    Raises UserError where it cannot be read.
    """
    with opened(path) as image:
        if image.format in _SCANNED:
            with open(path, "rb") as file:
                found = _SCANNED[image.format](file)
        elif image.format == "AVIF" and getattr(image, "n_frames", 1) > 1:
            found = _avif(path)
        else:
            found = [float(image.info.get("duration") or 0.0)] * getattr(image, "n_frames", 1)
    return [value if value > _SHORTEST else _INSTEAD for value in found] or [_INSTEAD]


def _gif(file: IO[bytes]) -> list[float]:
    _skip_colors(file, int.from_bytes(file.read(13)[10:11]))
    found, hundredths = [], 0
    while (kind := file.read(1)) not in (b"", b";"):
        if kind == b"!":
            if file.read(1) == b"\xf9":
                control = file.read(int.from_bytes(file.read(1)))
                hundredths = int.from_bytes(control[1:3], "little")
            _skip_blocks(file)
        elif kind == b",":
            _skip_colors(file, int.from_bytes(file.read(9)[8:]))
            file.seek(1, 1)
            _skip_blocks(file)
            found.append(10.0 * hundredths)
            hundredths = 0
    return found


def _skip_colors(file: IO[bytes], flags: int) -> None:
    """Skips a GIF's color table, where the flags say that there is one."""
    if flags & 0x80:
        file.seek(3 << (flags & 7) + 1, 1)


def _skip_blocks(file: IO[bytes]) -> None:
    """Skips blocks of data, each after its length, until an empty one."""
    while length := int.from_bytes(file.read(1)):
        file.seek(length, 1)


def _png(file: IO[bytes]) -> list[float]:
    file.seek(8)
    found: list[float] = []
    plain, count = False, 0
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        after = file.tell() + length + 4
        if kind == b"acTL":
            count = int.from_bytes(file.read(4))
        elif kind == b"fcTL":
            part, whole = struct.unpack_from(">HH", file.read(26).ljust(26, b"\0"), 20)
            found.append(1000.0 * part / (whole or 100))
        elif kind == b"IDAT" and not found:
            plain = True  # a picture for programs without animations, which Pillow shows first
        file.seek(after)
    return [0.0] * plain + found[:count]


def _webp(file: IO[bytes]) -> list[float]:
    file.seek(12)
    found = []
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        after = file.tell() + length + length % 2
        if kind == b"ANMF":
            found.append(float(int.from_bytes(file.read(16)[12:15], "little")))
        file.seek(after)
    return found


def _avif(path: Path) -> list[float]:
    with packages_named("AVIF sequences"):
        from .video import packet_milliseconds  # slow to import, for few pictures
    return packet_milliseconds(path)


_SCANNED: dict[str | None, Callable[[IO[bytes]], list[float]]] = {"GIF": _gif, "PNG": _png, "WEBP": _webp}
