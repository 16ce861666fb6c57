"""Reading and writing of pictures: all that Pillow reads becomes straight, display-encoded sRGB."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..job import MAX_SIDE, UserError, written_aside
from .convert import over_black, to_gray, to_rgba

MAX_STAMP = 4096
"""The longest side of a stamp, px: a primitive cannot show more on the largest canvas."""

_DAMAGED: tuple[type[Exception], ...] = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    RuntimeError,
    LookupError,
    TypeError,
    ArithmeticError,
)
_DAMAGED += (struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises for damaged files."""

_FAST = 1
"""The level of PNG compression: a tenth of the time of the best level, for a few more bytes."""

ByteArray = NDArray[np.uint8]


def load_rgba(path: Path) -> ByteArray:
    """Reads a picture upright, at most MAX_STAMP large: uint8 [h, w, 4], straight RGBA, display-encoded sRGB.

    Raises UserError where it is missing, unreadable, empty or larger than MAX_SIDE.
    """
    rgba = _read(path, MAX_STAMP, draft=MAX_STAMP)
    factor = MAX_STAMP / max(rgba.size)
    if factor < 1.0:
        rgba = _resized(rgba, max(1, round(rgba.width * factor)), max(1, round(rgba.height * factor)))
    return np.array(rgba)


def load_target(path: Path, size: int) -> tuple[Tensor, Tensor]:
    """Reads a picture scaled to a longer side of `size` px: color [3, H, W] and alpha [H, W].

    float32 in [0, 1], display-encoded, straight; each side has at least one pixel. Raises UserError as load_rgba does.
    """
    # Decode a JPEG at 1/2, 1/4 or 1/8 if that is still twice as fine as needed: this saves seconds and gigabytes.
    return planes_of(np.array(scaled(_read(path, size, draft=2 * size), size)))


def planes_of(pixels: ByteArray) -> tuple[Tensor, Tensor]:
    """Returns the color [3, h, w] and the alpha [h, w] of RGBA pixels [h, w, 4]: float32 in [0, 1]."""
    planes = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
    return planes[:3].float().div_(255.0), planes[3].float().div_(255.0)


def _read(path: Path, size: int, draft: int) -> Image.Image:
    """Reads a picture as to_rgba does; only the result stays in memory. draft: the least side to decode a JPEG at."""
    with opened(path) as image:
        image.draft("", (draft, draft))
        return to_rgba(image, size)


def scaled(rgba: Image.Image, size: int, multiple: int = 1) -> Image.Image:
    """Scales an RGBA picture to a longer side of `size` px; each side is a positive multiple of `multiple`."""
    factor = size / max(rgba.size) / multiple
    return _resized(rgba, *(multiple * max(1, round(side * factor)) for side in rgba.size))


def load_gray(path: Path, height: int, width: int) -> Tensor:
    """Reads the brightness of a picture: [height, width] in [0, 1], white = 1, black and transparent = 0.

    Raises UserError as load_rgba does.
    """
    with opened(path) as image:
        return _weights(to_gray(image), height, width)


def gray_of(rgba: Image.Image, height: int, width: int) -> Tensor:
    """Returns the brightness of an RGBA picture: see load_gray."""
    return _weights(over_black(rgba), height, width)


def _weights(gray: Image.Image, height: int, width: int) -> Tensor:
    gray = gray.resize((width, height), Image.Resampling.BOX)
    return torch.from_numpy(np.array(gray)).float() / 255.0


def load_mask(path: Path, height: int, width: int) -> Tensor:
    """Reads a gray picture as weights: see load_gray. Raises UserError as load_rgba does, and where all is black."""
    weight = load_gray(path, height, width)
    if not weight.any():
        raise UserError(f"The mask {path} is completely black: paint white where stamps may lie")
    return weight


def save_png(path: Path, pixels: Tensor | ByteArray, *, parents: bool = True) -> None:
    """Writes an 8-bit PNG to a temporary file and renames it.

    pixels: a tensor [3 or 4, H, W], display-encoded in [0, 1], or uint8 [h, w, 3 or 4]. parents: makes missing folders.
    """
    if isinstance(pixels, Tensor):
        pixels = (pixels.clamp(0.0, 1.0) * 255.0).round().byte().permute(1, 2, 0).contiguous().numpy()
    with written_aside(path, parents=parents) as aside:
        Image.fromarray(pixels).save(aside, format="PNG", compress_level=_FAST)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Opens a picture and checks its size, without decoding. Raises UserError, also for errors within the block."""
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is not a file")  # opening a pipe would wait for ever
        with _limited_area(path), Image.open(path, formats=_formats()) as image:
            check_size(path, *image.size)
            yield image
    except FileNotFoundError as error:
        raise UserError(f"There is no picture {path}: choose one that exists") from error
    except _DAMAGED as error:
        raise UserError(
            f"{path} cannot be read as a picture: save it again as PNG or choose another ({error})"
        ) from error


@cache
def _formats() -> tuple[str, ...]:
    """Returns all formats that Pillow reads by itself: PostScript is a program that another program would run."""
    Image.init()
    return tuple(name for name in Image.ID if name != "EPS")


@contextmanager
def _limited_area(path: Path) -> Iterator[None]:
    """Lifts Pillow's limit of area, which is below MAX_SIDE squared; check_size limits the sides instead.

    A GIF's frames may be larger than its head says: Pillow fills them before their size can be checked.
    """
    with open(path, "rb") as file:
        most = MAX_SIDE**2 // 2 if file.read(3) == b"GIF" else None  # it stops at twice this
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, most
    try:
        yield
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


def _resized(rgba: Image.Image, width: int, height: int) -> Image.Image:
    if rgba.size == (width, height):
        return rgba
    # Pillow multiplies colors by alpha in 8 bits: spare opaque pictures the rounding.
    opaque = rgba.getchannel("A").getextrema() == (255, 255)
    picture = rgba.convert("RGB") if opaque else rgba
    return picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0).convert("RGBA")
