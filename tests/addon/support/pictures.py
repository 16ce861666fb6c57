"""Pictures as arrays, images and files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def make_image(name: str, pixels: Array, **options: bool) -> bpy.types.Image:
    """Makes an image datablock from [h, w, 4] in 0..1, top row first."""
    height, width = pixels.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=True, **options)
    image.pixels.foreach_set(np.ascontiguousarray(pixels[::-1], np.float32).ravel())
    image.update()
    return image


def picture(width: int = 48, height: int = 32) -> Array:
    """Returns smooth colors, opaque, in whole 255ths."""
    y, x = np.mgrid[:height, :width]
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., 0], pixels[..., 1], pixels[..., 2] = x / width, y / height, 0.5
    return np.rint(pixels * 255) / 255


def disc(size: int = 16) -> Array:
    """Returns a white disc with a soft edge."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size * 2 - 1
    pixels = np.ones((size, size, 4), np.float32)
    pixels[..., 3] = np.clip((1 - np.hypot(x, y)) * 4, 0, 1)
    return pixels


def write_16_bit_png(path: Path, pixels: Array) -> None:
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
