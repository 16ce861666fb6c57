"""Draws the demo's stamps: leaf, petal, blossom, brush stroke, daub, two letters; [h, w, 4] uint8 straight RGBA.

Leaf, petal and blossom have their own colors. The others are white: multiplied by a color, they take it. Edges are hard
but anti-aliased; those of the brush stroke and the daub are soft.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FINE = 4
"""Samples per texel and axis: a picture is drawn this many times larger and averaged."""


def draw_all() -> dict[str, NDArray[np.uint8]]:
    """The stamps by name."""
    return {
        "Leaf": _drawn(leaf, 160, 88),
        "Petal": _drawn(petal, 96, 144),
        "Blossom": _drawn(blossom, 144, 144),
        "Brush stroke": _drawn(brush_stroke, 192, 64),
        "Daub": _drawn(daub, 96, 96),
        "Letter A": _drawn(letter_a, 112, 128),
        "Letter O": _drawn(letter_o, 120, 128),
    }


def leaf(x: Array, y: Array) -> tuple[Array, Array]:
    half = 0.92 * np.maximum(1 - x**2, 0) ** 0.8 * (1 - 0.25 * x)
    vein = np.abs(y) < 0.035 * (1.3 - x)
    side = np.abs((x * 4 - np.abs(y) * 1.6) % 1 - 0.5) < 0.07
    light = 0.92 - 0.12 * np.abs(y) / np.maximum(half, 0.05)
    color = np.stack([light * 0.86, light, light * 0.78], -1)
    color[(vein | side) & (np.abs(y) < half)] *= 0.8
    return color, (np.abs(y) < half).astype(float)


def petal(x: Array, y: Array) -> tuple[Array, Array]:
    half = 0.95 * np.sqrt(np.clip(1 - y**2, 0, 1)) * (0.62 - 0.38 * y)
    notch = np.abs(x) > 0.9 * (y + 1.0) ** 0.7 * 0.3
    inside = (np.abs(x) < half) & ((y > -0.85) | notch)
    warmth = np.clip((y + 1) / 2, 0, 1)
    color = np.stack([np.ones_like(x), 0.96 - 0.3 * warmth, 0.96 - 0.16 * warmth], -1)
    color *= (1 - 0.1 * (np.abs((x / np.maximum(half, 0.05) * 3) % 1 - 0.5) < 0.06))[..., None]
    return color, inside.astype(float)


def blossom(x: Array, y: Array) -> tuple[Array, Array]:
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    edge = 0.62 + 0.34 * np.abs(np.cos(2.5 * angle))
    heart = radius < 0.24
    color = np.stack([np.ones_like(x), 0.9 + 0.1 * radius, 0.86 + 0.14 * radius], -1)
    color[heart] = (1.0, 0.82, 0.3)
    return color, (radius < edge).astype(float)


def brush_stroke(x: Array, y: Array) -> tuple[Array, Array]:
    bristle = 0.5 + 0.5 * np.sin(31 * y + 2 * np.sin(7 * y)) * np.cos(13 * y + 1)
    start = np.clip((x + 0.97 - 0.10 * bristle) / 0.06, 0, 1)
    end = np.clip((0.95 - 0.55 * bristle - x) / 0.35, 0, 1)
    rim = np.clip((0.93 - np.abs(y - 0.08 * np.sin(2.5 * x))) / 0.22, 0, 1)
    return np.ones((*x.shape, 3)), start * end * rim * (0.75 + 0.25 * bristle)


def daub(x: Array, y: Array) -> tuple[Array, Array]:
    radius = np.hypot(x, y) / (0.93 + 0.04 * np.cos(3 * np.arctan2(y, x)))
    return np.ones((*x.shape, 3)), np.clip((1 - radius) / 0.35, 0, 1)


def letter_a(x: Array, y: Array) -> tuple[Array, Array]:
    slope = (y + 0.95) * 0.43
    legs = (np.abs(np.abs(x) - slope) < 0.17) & (np.abs(y) < 0.95)
    bar = (np.abs(x) < slope) & (np.abs(y - 0.3) < 0.13)
    return np.ones((*x.shape, 3)), (legs | bar).astype(float)


def letter_o(x: Array, y: Array) -> tuple[Array, Array]:
    outer, inner = np.hypot(x / 0.95, y / 0.96) < 1, np.hypot(x / 0.56, y / 0.66) < 1
    return np.ones((*x.shape, 3)), (outer & ~inner).astype(float)


def _drawn(shape: Callable[[Array, Array], tuple[Array, Array]], width: int, height: int) -> NDArray[np.uint8]:
    """Averages the shape's colors [h, w, 3] and alpha [h, w] over [-1, 1]^2, y down, to straight RGBA."""
    x = (np.arange(width * FINE) + 0.5) / (width * FINE) * 2 - 1
    y = (np.arange(height * FINE) + 0.5) / (height * FINE) * 2 - 1
    color, alpha = shape(*np.meshgrid(x, y))
    planes = np.concatenate([color * alpha[..., None], alpha[..., None]], -1)
    planes = planes.reshape(height, FINE, width, FINE, 4).mean((1, 3))
    planes[..., :3] /= np.maximum(planes[..., 3:], 1e-9)
    return np.rint(planes.clip(0, 1) * 255).astype(np.uint8)
