"""Reading and writing of pictures: all become straight, display-encoded sRGB of 8 bits.

Plain PNGs and arrays are read here; everything else by Pillow, which is imported only then.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ctypes import c_int64
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ..job import MAX_SIDE, Action, UserError, written_aside
from ..native.arrays import ByteArray, FloatArray
from ..native.calls import BYTES, FLOATS, function
from .png import FAST, PngWriter, opened_plain, write_png
from .scaling import resized

if TYPE_CHECKING:
    from PIL import Image

MAX_STAMP = 4096
"""The longest side of a stamp, px: a primitive cannot show more on the largest canvas."""

_STRIP = 2**20
"""About how many pixels are handed on at once."""

_DAMAGED: tuple[type[Exception], ...] = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    RuntimeError,
    LookupError,
    TypeError,
    ArithmeticError,
    struct.error,
    zlib.error,
)
"""What readers raise for damaged files."""


@dataclass(frozen=True, eq=False)
class _Source:
    """A picture that is being read: its size and its rows, straight RGBA [rows, width, 4], from top to bottom."""

    width: int  # px
    height: int
    strips: Iterable[ByteArray]


def load_rgba(path: Path) -> ByteArray:
    """Reads a picture upright, at most MAX_STAMP large: uint8 [h, w, 4], straight RGBA, display-encoded sRGB.

    Raises UserError where it is missing, unreadable, empty or larger than MAX_SIDE, and where it needs a library that
    is not installed.
    """
    with _read(path, MAX_STAMP, MAX_STAMP) as source:
        factor = min(1.0, MAX_STAMP / max(source.width, source.height))
        size = max(1, round(source.height * factor)), max(1, round(source.width * factor))
        return resized(source.strips, (source.height, source.width), size, 4)


def load_target(path: Path, size: int) -> tuple[FloatArray, FloatArray]:
    """Reads a picture scaled to a longer side of `size` px: color [3, H, W] and alpha [H, W].

    float32 in [0, 1], display-encoded, straight; each side has at least one pixel. Raises UserError as load_rgba does.
    """
    # Decode a JPEG at 1/2, 1/4 or 1/8 if that is still twice as fine as needed: this saves seconds and gigabytes.
    with _read(path, size, 2 * size) as source:
        wanted = _scaled_size(source.height, source.width, size)
        return planes_of(resized(source.strips, (source.height, source.width), wanted, 4))


def planes_of(pixels: ByteArray) -> tuple[FloatArray, FloatArray]:
    """Returns the color [3, h, w] and the alpha [h, w] of RGBA pixels [h, w, 4]: float32 in [0, 1]."""
    # Apart, so that an alpha that nobody needs goes.
    color: FloatArray = np.empty((3, *pixels.shape[:2]), np.float32)
    alpha: FloatArray = np.empty(pixels.shape[:2], np.float32)
    convert = function("diffbmp_planes", BYTES, FLOATS, FLOATS, c_int64)
    convert(np.ascontiguousarray(pixels), color, alpha, alpha.size)
    return color, alpha


def scaled(rgba: Image.Image, size: int, multiple: int = 1) -> Image.Image:
    """Scales an RGBA picture to a longer side of `size` px; each side is a positive multiple of `multiple`."""
    from PIL import Image

    wanted = _scaled_size(rgba.height, rgba.width, size, multiple)
    return Image.fromarray(resized([np.asarray(rgba)], (rgba.height, rgba.width), wanted, 4))


def _scaled_size(height: int, width: int, size: int, multiple: int = 1) -> tuple[int, int]:
    factor = size / max(height, width) / multiple
    return multiple * max(1, round(height * factor)), multiple * max(1, round(width * factor))


def load_gray(path: Path, height: int, width: int) -> FloatArray:
    """Reads the brightness of a picture: [height, width] in [0, 1], white = 1, black and transparent = 0.

    Raises UserError as load_rgba does.
    """
    with _read(path) as source:
        return _weights(source, height, width)


def gray_of(rgba: Image.Image, height: int, width: int) -> FloatArray:
    """Returns the brightness of an RGBA picture: see load_gray."""
    return _weights(_Source(*rgba.size, [np.asarray(rgba)]), height, width)


def _weights(source: _Source, height: int, width: int) -> FloatArray:
    strips = map(_gray, source.strips)
    gray = resized(strips, (source.height, source.width), (height, width), 1, smooth=False)
    return gray[..., 0].astype(np.float32) / np.float32(255.0)


def _gray(rgba: ByteArray) -> ByteArray:
    """The brightness of RGBA pixels over black: [h, w, 1]."""
    result: ByteArray = np.empty((*rgba.shape[:2], 1), np.uint8)
    function("diffbmp_gray", BYTES, BYTES, c_int64)(np.ascontiguousarray(rgba), result, result.size)
    return result


def load_mask(path: Path, height: int, width: int) -> FloatArray:
    """Reads a gray picture as weights: see load_gray. Raises UserError as load_rgba does, and where all is black."""
    weight = load_gray(path, height, width)
    if not weight.any():
        raise UserError(f"The mask {path} is completely black: paint white where stamps may lie")
    return weight


def save_png(path: Path, pixels: FloatArray | ByteArray, *, parents: bool = True) -> None:
    """Writes an 8-bit PNG to a temporary file and renames it.

    pixels: float32 [3 or 4, H, W], display-encoded in [0, 1], or uint8 [h, w, 3 or 4]. parents: makes missing folders.
    """
    with written_aside(path, parents=parents) as aside, open(aside, "wb") as file:
        write_png(file, pixels)


def save_strips(path: Path, width: int, height: int, channels: int, strips: Iterable[FloatArray]) -> None:
    """Writes an 8-bit PNG as save_png does, of strips [3 or 4, rows, width] from top to bottom. channels: 3 or 4."""
    with written_aside(path) as aside, open(aside, "wb") as file:
        writer = PngWriter(file, width, height, channels, level=FAST)
        for strip in strips:
            writer.write(strip)
        writer.finish()


@contextmanager
def _read(path: Path, size: int = 0, draft: int = 0) -> Iterator[_Source]:
    """Opens a picture. Raises UserError, also for errors within the block.

    size: the longer side that is needed, px, see convert.to_rgba. draft: the least side to decode a JPEG at.
    """
    with _errors(path), open(path, "rb") as file:
        if path.suffix.lower() == ".npy":
            yield _of_array(path)
            return
        plain = opened_plain(file)
        if plain is not None:
            check_size(path, plain.width, plain.height)
            yield _Source(plain.width, plain.height, plain.strips())
            return
    with opened(path) as image:
        from .convert import to_rgba

        if draft:
            image.draft("", (draft, draft))
        rgba = to_rgba(image, size)
        rows = max(1, _STRIP // rgba.width)
        tops = range(0, rgba.height, rows)
        strips = (rgba.crop((0, top, rgba.width, min(top + rows, rgba.height))) for top in tops)
        yield _Source(*rgba.size, map(np.asarray, strips))


def _of_array(path: Path) -> _Source:
    """Opens an array of pixels, uint8 [h, w, 4], that stays on the disk."""
    pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(pixels, np.memmap) or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 4:
        raise ValueError("it is no array of bytes [height, width, 4]")
    height, width = pixels.shape[:2]
    check_size(path, width, height)
    rows = max(1, _STRIP // width)
    return _Source(width, height, (np.array(pixels[top : top + rows]) for top in range(0, height, rows)))


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Opens a picture with Pillow and checks its size, without decoding.

    Raises UserError, also for errors within the block, and where Pillow is missing.
    """
    with _errors(path):
        pillow = _pillow(path)
        with open(path, "rb") as file:
            known = _BEGINNINGS.get(file.read(3))
        formats = (known,) if known else _formats()
        with _limited_area(gif=known == "GIF"), pillow.open(path, formats=formats) as image:
            check_size(path, *image.size)
            yield image


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Turns errors of reading a picture into UserError."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError("it is not a file")  # opening a pipe would wait for ever
        yield
    except FileNotFoundError as error:
        raise UserError(f"There is no picture {path}: choose one that exists") from error
    except _DAMAGED as error:
        raise UserError(
            f"{path} cannot be read as a picture: save it again as PNG or choose another ({error})"
        ) from error


def _pillow(path: Path) -> ModuleType:
    try:
        from PIL import Image
    except ImportError as error:
        raise UserError(
            f"{path} can be read only with Pillow: install it, or save the picture as an 8-bit PNG without profile",
            Action.INSTALL,
        ) from error
    return Image


_BEGINNINGS = {b"\xff\xd8\xff": "JPEG", b"\x89PN": "PNG", b"GIF": "GIF"}
"""The usual formats by their first bytes: to load what reads all others takes longer than a picture."""


@cache
def _formats() -> tuple[str, ...]:
    """Returns all formats that Pillow reads by itself: PostScript is a program that another program would run."""
    from PIL import Image

    Image.init()
    return tuple(name for name in Image.ID if name != "EPS")


@contextmanager
def _limited_area(*, gif: bool) -> Iterator[None]:
    """Lifts Pillow's limit of area, which is below MAX_SIDE squared; check_size limits the sides instead.

    A GIF's frames may be larger than its head says: Pillow fills them before their size can be checked.
    """
    from PIL import Image

    most = MAX_SIDE**2 // 2 if gif else None  # it stops at twice this
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, most
    try:
        yield
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def check_size(path: Path, width: int, height: int) -> None:
    """Raises UserError where a picture has no pixels, or a side longer than MAX_SIDE."""
    if min(width, height) < 1:
        raise UserError(f"{path} has no pixels: choose another picture")
    if max(width, height) > MAX_SIDE:
        factor = MAX_SIDE / max(width, height)
        raise UserError(
            f"{path} has {width:,} x {height:,} px, but the limit is {MAX_SIDE:,} per side: "
            f"scale it to {int(width * factor) or 1:,} x {int(height * factor) or 1:,} px or crop it"
        )
