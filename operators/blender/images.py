"""Blender's image datablocks as arrays, and arrays as PNG files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.job import MAX_SIDE, UserError
from .colors import encode

MAX_PIXELS = 8192 * 8192
"""Most pixels of an image, as many as the largest canvas has: more would cost gigabytes and show nowhere."""

_STRIP = 1 << 14
"""Pixels that are converted at once: they stay in the processor's cache."""

_PNG = b"\x89PNG\r\n\x1a\n"

ByteArray = NDArray[np.uint8]


def read_image(image: bpy.types.Image) -> ByteArray:
    """Reads an image from Blender's memory, with unsaved strokes: [h, w, 4], top row first, straight, display-encoded.

    Raises UserError for one that is missing, has no pixels or too many, or is no still picture.
    """
    return reader_of(image)()


def reader_of(image: bpy.types.Image) -> Callable[[], ByteArray]:
    """Does the part of read_image that needs Blender's own thread; the function returned does the rest, in any thread.

    Raises UserError as read_image does.
    """
    width, height = _checked_size(image)
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    is_opaque, is_float = image.alpha_mode == "NONE", image.is_float
    is_light = is_float and not image.colorspace_settings.is_data
    is_premultiplied = is_light and image.source == "FILE" and image.alpha_mode in ("STRAIGHT", "PREMUL")

    def as_bytes(strip: NDArray[np.float32]) -> ByteArray:
        pixels = _as_rgba(strip)
        if not is_float:
            return (pixels * np.float32(255.0) + np.float32(0.5)).astype(np.uint8)
        # Float images hold light, premultiplied if they come from a file whose alpha means opacity.
        pixels = pixels.copy()
        if is_premultiplied:
            pixels[..., :3] /= np.maximum(pixels[..., 3:], 1e-6)
        if is_light:
            pixels[..., :3] = encode(pixels[..., :3])
        pixels = np.nan_to_num(pixels) * 255.0
        return np.rint(np.clip(pixels, 0.0, 255.0)).astype(np.uint8)

    def converted() -> ByteArray:
        rows, strip = values.reshape(height, width, -1)[::-1], max(1, _STRIP // width)
        result = np.empty((height, width, 4), np.uint8)
        for top in range(0, height, strip):
            result[top : top + strip] = as_bytes(rows[top : top + strip])
        if is_opaque:
            result[..., 3] = 255
        return result

    return converted


def _checked_size(image: bpy.types.Image) -> tuple[int, int]:
    if image.source not in ("FILE", "GENERATED"):
        kind = {"TILED": "a set of tiles", "VIEWER": "a render"}.get(image.source, f"a {image.source.lower()}")
        raise UserError(f"The image {image.name} is {kind}, but a still picture is needed: save one and open it")
    width, height = image.size
    size = f"The image {image.name} has {width} x {height} pixels,"
    if width * height > MAX_PIXELS:
        side = int(MAX_PIXELS**0.5)
        raise UserError(f"{size} more than {side} x {side}: scale it down first")
    if max(width, height) > MAX_SIDE:
        raise UserError(f"{size} but a side may have {MAX_SIDE}: scale it down first")
    if width * height == 0 or len(image.pixels) == 0:
        raise UserError(f"The image {image.name} has no pixels{_where_missing(image)}")
    return width, height


def read_file(path: Path) -> ByteArray:
    """Reads a file as read_image reads an image. Raises UserError where it is no picture."""
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise UserError(f"{path} cannot be read as a picture: {error}") from error
    try:
        return read_image(image)
    finally:
        bpy.data.images.remove(image)


def write_png(path: Path, rgba: ByteArray) -> None:
    """Writes [h, w, 4] as an 8-bit PNG, without Blender, which would premultiply or manage the colors."""
    height, width = rgba.shape[:2]
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # a row starts with its filter, 0 = none
    rows[:, 1:] = rgba.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b""))
    with open(path, "wb") as file:
        file.write(_PNG)
        for kind, data in chunks:
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def write_array(path: Path, rgba: ByteArray) -> None:
    """Writes [h, w, 4] as a NumPy file: large, but in no time. Raises OSError where it cannot be written."""
    array = BytesIO()
    np.save(array, rgba)
    path.write_bytes(array.getbuffer())  # NumPy itself does not say that a disk is full


def picture_size(path: Path) -> tuple[int, int]:
    """Returns the width and height of a PNG, or of what write_array has written, without decoding it.

    (0, 0) where it is neither. Raises OSError where it cannot be read.
    """
    if path.suffix == ".npy":
        height, width = np.load(path, mmap_mode="r").shape[:2]
        return width, height
    with open(path, "rb") as file:
        header = file.read(24)
    if len(header) < 24 or header[:8] != _PNG:
        return 0, 0
    width, height = struct.unpack(">II", header[16:])
    return width, height


def write_gray(path: Path, gray: ByteArray) -> None:
    """Writes [h, w] as a gray PNG. Raises OSError where it cannot be written."""
    rgba = np.full((*gray.shape, 4), 255, np.uint8)
    rgba[..., :3] = gray[..., None]
    write_png(path, rgba)


def _where_missing(image: bpy.types.Image) -> str:
    if image.source != "FILE" or image.packed_file:
        return ""
    path = Path(bpy.path.abspath(image.filepath, library=image.library))
    return f" ({path} cannot be read)" if path.is_file() else f": {path} does not exist"


def _as_rgba(values: NDArray[Any]) -> NDArray[Any]:
    """Returns pixels with four channels, of any number of them: new ones, or those given."""
    channels = values.shape[2]
    if channels == 4:
        return values
    result = np.ones((*values.shape[:2], 4), np.float32)
    result[..., :3] = values[..., :3] if channels >= 3 else values[..., :1]
    if channels in (2, 4):
        result[..., 3] = values[..., channels - 1]
    return result
