"""Conversion of Pillow's pictures to 8 bits and sRGB, in strips: little but the result takes memory."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from PIL import ExifTags, Image

LARGE = 2**26
"""Most pixels of a picture that is converted in full before it is scaled."""

_STRIP = 2**21
"""About how many pixels are converted at once."""

Convert = Callable[[Image.Image], Image.Image]


def to_rgba(image: Image.Image, size: int = 0) -> Image.Image:
    """Converts a picture from images.opened() to upright RGBA, 8 bits, straight, display-encoded sRGB.

    size: the longer side that is needed, px; 0 = all. A picture of more than LARGE pixels that is at least twice as
    long is shrunk to that by area means; any other keeps its size.
    """
    return _upright(converted(image, _rgba, size), image)


def converted(image: Image.Image, convert: Convert, size: int = 0) -> Image.Image:
    """Converts a picture in strips, and shrinks it where to_rgba does. convert: makes a picture of one strip."""
    image.load()
    width, height = image.size
    if not size or width * height <= LARGE or max(width, height) < 2 * size:
        size = max(width, height)
    factor = size / max(width, height)
    width, height = max(1, round(width * factor)), max(1, round(height * factor))
    rows = max(1, _STRIP * height // (image.width * image.height))
    result = None
    for top in range(0, height, rows):
        part = _part(image, convert, (top, min(top + rows, height)), (width, height))
        result = result or Image.new(part.mode, (width, height))
        result.paste(part, (0, top))
    return cast(Image.Image, result)


def _part(image: Image.Image, convert: Convert, rows: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    """Returns some rows of the picture that is converted and shrunk to `size`."""
    (top, bottom), (width, height) = rows, size
    begin, end = top * image.height / height, bottom * image.height / height
    first, last = math.floor(begin), min(math.ceil(end), image.height)
    part = convert(image.crop((0, first, image.width, last)))
    if (width, height) == image.size:
        return part
    box = (0, begin - first, image.width, min(end, image.height) - first)
    return part.resize((width, bottom - top), Image.Resampling.BOX, box)


def _upright(result: Image.Image, source: Image.Image) -> Image.Image:
    """Turns what was made of a picture as the picture's EXIF data say."""
    orientation = source.getexif().get(ExifTags.Base.Orientation, 1)
    if orientation != 1:
        from PIL import ImageOps

        result.getexif()[ExifTags.Base.Orientation] = orientation
        ImageOps.exif_transpose(result, in_place=True)
    return result


def _rgba(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode == "F" or image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.mode == "LAB":  # the only mode that Image.convert lacks
        from PIL import ImageCms

        lab = ImageCms.profileToProfile(
            image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
        return cast(Image.Image, lab).convert("RGBA")
    rgba = image.convert("RGBA")
    if profile:
        color = _to_srgb(image if image.mode in ("L", "CMYK") else rgba.convert("RGB"), profile)
        if color:
            color.putalpha(rgba.getchannel("A"))
            return color
    return rgba


def _eight_bits(image: Image.Image) -> Image.Image:
    """Converts 16-bit integers and floats in [0, 1] to 8 bits."""
    if image.mode == "F":
        levels = np.rint(np.nan_to_num(np.asarray(image).astype(np.float64) * 255.0)).clip(0, 255)
    else:
        levels = (np.asarray(image).clip(0, 65535).astype(np.int32) + 128) // 257
    return Image.fromarray(levels.astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Converts a picture from its profile to sRGB. None if it is sRGB already or the profile is broken."""
    from PIL import ImageCms

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
