"""Pictures from files and back: whatever Pillow reads becomes straight, display-encoded sRGB."""

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
"""Longest side of a stamp, px: as many as a primitive can show on the largest canvas."""

_FAST = 1
"""PNG compression: a tenth of the time of the best level for a few more bytes."""

ByteArray = NDArray[np.uint8]


def load_rgba(path: Path) -> ByteArray:
    """The picture, upright: uint8 [h, w, 4], straight RGBA, display-encoded sRGB; scaled down to MAX_STAMP if larger.

    Raises UserError where it is missing, unreadable, without pixels or larger than MAX_SIDE.
    """
    with opened(path) as image:
        image.draft("", (MAX_STAMP, MAX_STAMP))
        rgba = to_rgba(image)
    factor = MAX_STAMP / max(rgba.size)
    if factor < 1.0:
        rgba = _resized(rgba, max(1, round(rgba.width * factor)), max(1, round(rgba.height * factor)))
    return np.array(rgba)


def load_target(path: Path, size: int) -> tuple[Tensor, Tensor]:
    """The picture scaled so that its longer side has `size` px: color [3, H, W] and alpha [H, W].

    float32 in [0, 1], display-encoded, straight; a side has one pixel at least. Raises UserError as load_rgba does.
    """
    with opened(path) as image:
        # A JPEG is decoded at 1/2, 1/4 or 1/8 where that is still twice as fine as needed: saves seconds and gigabytes.
        image.draft("", (2 * size, 2 * size))
        rgba = to_rgba(image)
    planes = torch.from_numpy(np.array(scaled(rgba, size))).permute(2, 0, 1).float() / 255.0
    return planes[:3].contiguous(), planes[3].contiguous()


def scaled(rgba: Image.Image, size: int, multiple: int = 1) -> Image.Image:
    """An RGBA picture scaled so that its longer side has `size` px; each side is a `multiple` of pixels, not 0."""
    factor = size / max(rgba.size) / multiple
    return _resized(rgba, *(multiple * max(1, round(side * factor)) for side in rgba.size))


def load_grey(path: Path, height: int, width: int) -> Tensor:
    """A picture's brightness [height, width] in [0, 1]: white = 1, black and transparent = 0.

    Raises UserError as load_rgba does.
    """
    with opened(path) as image:
        return gray_of(to_rgba(image), height, width)


def gray_of(rgba: Image.Image, height: int, width: int) -> Tensor:
    """The brightness of an RGBA picture, as load_grey gives it."""
    over_black = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba)
    gray = over_black.convert("L").resize((width, height), Image.Resampling.BOX)
    return torch.from_numpy(np.array(gray)).float() / 255.0


def load_mask(path: Path, height: int, width: int) -> Tensor:
    """A gray picture as weights (load_grey). Raises UserError as load_rgba does, and where it is black all over."""
    weight = load_grey(path, height, width)
    if not weight.any():
        raise UserError(f"The mask {path} is black all over: paint white where stamps may lie")
    return weight


def save_png(path: Path, pixels: Tensor | ByteArray) -> None:
    """Writes an 8-bit PNG aside and renames it.

    pixels: a tensor [3 or 4, H, W] of display-encoded numbers in [0, 1], or uint8 [h, w, 3 or 4].
    """
    if isinstance(pixels, Tensor):
        pixels = (pixels.clamp(0.0, 1.0) * 255.0).round().byte().permute(1, 2, 0).contiguous().numpy()
    with written_aside(path) as aside:
        Image.fromarray(pixels).save(aside, format="PNG", compress_level=_FAST)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The picture, its size checked, not yet decoded. What goes wrong now or in decoding becomes a UserError."""
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
    """Lifts Pillow's limit of area, which is below MAX_SIDE squared: the sides are checked instead."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def check_size(path: Path, width: int, height: int) -> None:
    """Raises UserError where a picture has no pixels, or too many."""
    if min(width, height) < 1:
        raise UserError(f"{path} has no pixels: choose another picture")
    if max(width, height) > MAX_SIDE:
        factor = MAX_SIDE / max(width, height)
        raise UserError(
            f"{path} has {width:,} x {height:,} px, but at most {MAX_SIDE:,} a side can be read: "
            f"scale it to {int(width * factor) or 1:,} x {int(height * factor) or 1:,} px or crop it"
        )


def to_rgba(image: Image.Image) -> Image.Image:
    """A picture as opened() gives it: upright RGBA, 8 bits, straight, display-encoded sRGB."""
    ImageOps.exif_transpose(image, in_place=True)
    profile = image.info.get("icc_profile")
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_gray(image)
    if image.mode == "LAB":  # the one mode that Pillow's own conversion does not know
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
    """Integers of 16 bits and floats in [0, 1] as 8 bits."""
    values = np.asarray(image).astype(np.float64)
    levels = values * 255.0 if image.mode == "F" else values / 257.0
    return Image.fromarray(np.rint(np.nan_to_num(levels)).clip(0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The picture in sRGB as RGB. None where it is so already, or where the profile is broken: then it says nothing."""
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
    # Pillow weighs colors by their alpha, in 8 bits: opaque pictures are spared the rounding.
    opaque = rgba.getchannel("A").getextrema() == (255, 255)
    picture = rgba.convert("RGB") if opaque else rgba
    return picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0).convert("RGBA")
