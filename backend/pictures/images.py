"""Reading and writing of pictures: all that Pillow reads becomes straight, display-encoded sRGB."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from ..job import MAX_SIDE, UserError, written_aside

MAX_STAMP = 4096
"""The longest side of a stamp, px: a primitive cannot show more on the largest canvas."""

_FAST = 1
"""The level of PNG compression: a tenth of the time of the best level, for a few more bytes."""

ByteArray = NDArray[np.uint8]


def load_rgba(path: Path) -> ByteArray:
    """Reads a picture upright, at most MAX_STAMP large: uint8 [h, w, 4], straight RGBA, display-encoded sRGB.

    Raises UserError where it is missing, unreadable, empty or larger than MAX_SIDE.
    """
    with opened(path) as image:
        image.draft("", (MAX_STAMP, MAX_STAMP))
        rgba = to_rgba(image)
    factor = MAX_STAMP / max(rgba.size)
    if factor < 1.0:
        rgba = _resized(rgba, max(1, round(rgba.width * factor)), max(1, round(rgba.height * factor)))
    return np.array(rgba)


def load_target(path: Path, size: int) -> tuple[Tensor, Tensor]:
    """Reads a picture scaled to a longer side of `size` px: color [3, H, W] and alpha [H, W].

    float32 in [0, 1], display-encoded, straight; each side has at least one pixel. Raises UserError as load_rgba does.
    """
    with opened(path) as image:
        # Decode a JPEG at 1/2, 1/4 or 1/8 if that is still twice as fine as needed: this saves seconds and gigabytes.
        image.draft("", (2 * size, 2 * size))
        rgba = to_rgba(image)
    planes = torch.from_numpy(np.array(scaled(rgba, size))).permute(2, 0, 1).float() / 255.0
    return planes[:3].contiguous(), planes[3].contiguous()


def scaled(rgba: Image.Image, size: int, multiple: int = 1) -> Image.Image:
    """Scales an RGBA picture to a longer side of `size` px; each side is a positive multiple of `multiple`."""
    factor = size / max(rgba.size) / multiple
    return _resized(rgba, *(multiple * max(1, round(side * factor)) for side in rgba.size))


def load_gray(path: Path, height: int, width: int) -> Tensor:
    """Reads the brightness of a picture: [height, width] in [0, 1], white = 1, black and transparent = 0.

    Raises UserError as load_rgba does.
    """
    with opened(path) as image:
        return gray_of(to_rgba(image), height, width)


def gray_of(rgba: Image.Image, height: int, width: int) -> Tensor:
    """Returns the brightness of an RGBA picture: see load_gray."""
    over_black = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba)
    gray = over_black.convert("L").resize((width, height), Image.Resampling.BOX)
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
        with _any_area(), Image.open(path) as image:
            check_size(path, *image.size)
            yield image
    except FileNotFoundError as error:
        raise UserError(f"There is no picture {path}: choose one that exists") from error
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError, struct.error, zlib.error) as error:
        raise UserError(
            f"{path} cannot be read as a picture: save it again as PNG or choose another ({error})"
        ) from error


@contextmanager
def _any_area() -> Iterator[None]:
    """Lifts Pillow's limit of area, which is below MAX_SIDE squared; check_size limits the sides instead."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
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


def to_rgba(image: Image.Image) -> Image.Image:
    """Converts a picture from opened() to upright RGBA, 8 bits, straight, display-encoded sRGB."""
    ImageOps.exif_transpose(image, in_place=True)
    profile = image.info.get("icc_profile")
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_gray(image)
    if image.mode == "LAB":  # the only mode that Image.convert lacks
        converted = ImageCms.profileToProfile(
            image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
        return cast(Image.Image, converted).convert("RGBA")
    rgba = image.convert("RGBA")
    if profile:
        color = _to_srgb(image if image.mode in ("L", "CMYK") else rgba.convert("RGB"), profile)
        if color:
            color.putalpha(rgba.getchannel("A"))
            return color
    return rgba


def _to_gray(image: Image.Image) -> Image.Image:
    """Converts 16-bit integers and floats in [0, 1] to 8 bits."""
    values = np.asarray(image).astype(np.float64)
    levels = values * 255.0 if image.mode == "F" else values / 257.0
    return Image.fromarray(np.rint(np.nan_to_num(levels)).clip(0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Converts a picture from its profile to sRGB. None if it is sRGB already or the profile is broken."""
    try:
        source: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return None


def _resized(rgba: Image.Image, width: int, height: int) -> Image.Image:
    if rgba.size == (width, height):
        return rgba
    # Pillow multiplies colors by alpha in 8 bits: spare opaque pictures the rounding.
    opaque = rgba.getchannel("A").getextrema() == (255, 255)
    picture = rgba.convert("RGB") if opaque else rgba
    return picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0).convert("RGBA")
