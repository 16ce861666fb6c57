"""Stamps to begin with, drawn here: a disc, a leaf and a brush stroke, white, so that they take any tint."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

SIDE = 128
"""Of the pictures, texels."""

_EXAMPLE = "diffbmp_example"
"""Custom property of the images: which of them it is."""

FloatArray = NDArray[np.float64]


def example_images() -> list[bpy.types.Image]:
    """The stamps as packed images of the file, those that it has already included."""
    drawn = {"Disc": _disc, "Leaf": _leaf, "Brush Stroke": _stroke}
    there = {image[_EXAMPLE]: image for image in bpy.data.images if _EXAMPLE in image}
    return [there.get(name) or _image(name, draw(*_square())) for name, draw in drawn.items()]


def _square() -> tuple[FloatArray, FloatArray]:
    """Places of the texels in [-1, 1]^2: x to the right, y up."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (2.0 * x + 1.0) / SIDE - 1.0, (2.0 * y + 1.0) / SIDE - 1.0


def _edge(inside: FloatArray) -> FloatArray:
    """Coverage of a shape that is where this distance, in halves of the side, is greater than 0."""
    return np.clip(inside * SIDE / 2.0 + 0.5, 0.0, 1.0)


def _disc(x: FloatArray, y: FloatArray) -> FloatArray:
    return _edge(0.98 - np.hypot(x, y))


def _leaf(x: FloatArray, y: FloatArray) -> FloatArray:
    """Two arcs that meet in points, with a vein."""
    blade = _edge(1.2 - np.hypot(x, np.abs(y) + 0.72))
    vein = _edge(np.abs(y) - 0.02 * (1.0 - x))
    return blade * (0.4 + 0.6 * vein)


def _stroke(x: FloatArray, y: FloatArray) -> FloatArray:
    """A band of bristles, which end at different places."""
    bristles = np.random.default_rng(2).random(48)[np.clip((y + 1.0) * 24.0, 0, 47).astype(int)]
    ends = np.clip((1.0 - np.abs(x)) * 6.0 - 2.0 * bristles, 0.0, 1.0)
    sides = np.clip((0.42 - np.abs(y)) * 12.0, 0.0, 1.0)
    return ends * sides * (0.65 + 0.35 * bristles)


def _image(name: str, alpha: FloatArray) -> bpy.types.Image:
    image = bpy.data.images.new(name, SIDE, SIDE, alpha=True)
    pixels = np.ones((SIDE, SIDE, 4), np.float32)
    pixels[..., 3] = alpha
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    image[_EXAMPLE] = name
    return image
