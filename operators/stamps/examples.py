"""Stamps to start with: a disc, a leaf and a brush stroke, in white, so that they take any tint."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

SIDE = 128
"""Side of the pictures, texels."""

_EXAMPLE = "diffbmp_example"
"""Custom property of the images: the name of the example."""

FloatArray = NDArray[np.float64]


def example_images() -> list[bpy.types.Image]:
    """Returns the examples as packed images of the file; those that exist already are used again."""
    drawn = {"Disc": _disc, "Leaf": _leaf, "Brush Stroke": _stroke}
    there = {name: image for image in bpy.data.images if isinstance(name := image.get(_EXAMPLE), str)}
    return [there.get(name) or _image(name, draw(*_square())) for name, draw in drawn.items()]


def _square() -> tuple[FloatArray, FloatArray]:
    """Positions of the texels in [-1, 1]^2: x to the right, y up."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (2.0 * x + 1.0) / SIDE - 1.0, (2.0 * y + 1.0) / SIDE - 1.0


def _edge(inside: FloatArray) -> FloatArray:
    """Coverage of a shape. inside: distance into it from its edge, in halves of the side."""
    return np.clip(inside * SIDE / 2.0 + 0.5, 0.0, 1.0)


def _disc(x: FloatArray, y: FloatArray) -> FloatArray:
    return _edge(0.98 - np.hypot(x, y))


def _leaf(x: FloatArray, y: FloatArray) -> FloatArray:
    """Coverage of two arcs that meet in points, with a vein."""
    blade = _edge(1.2 - np.hypot(x, np.abs(y) + 0.72))
    vein = _edge(np.abs(y) - 0.02 * (1.0 - x))
    return blade * (0.4 + 0.6 * vein)


def _stroke(x: FloatArray, y: FloatArray) -> FloatArray:
    """Coverage of a band of bristles, which end at different places."""
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
