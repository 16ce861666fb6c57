"""Stamps and targets for tests, drawn by formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.job import Limits
from backend.native.arrays import FloatArray
from backend.templates import Template, Templates


def soft_disc(height: int, width: int, edge: float, slope: int = 3) -> NDArray[np.uint8]:
    """A disc inside the sides with a soft edge, on two slopes of color: [height, width, 4]."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2)
    alpha = np.clip((min(height, width) / 2 - 1 - distance) / edge, 0, 1) * 255
    return np.dstack([x * slope, y * slope, 255 - x, alpha]).astype(np.uint8)


def disc(size: int = 32, color: tuple[int, int, int] = (0, 0, 0), **options: Any) -> Template:
    """A round stamp of one color with a smooth edge."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size * 2 - 1
    alpha = np.rint(np.clip((0.95 - np.hypot(x, y)) * size / 2, 0, 1) * 255)
    return Template("disc", np.dstack([np.full((size, size, 3), color), alpha]).astype(np.uint8), **options)


def discs(limits: Limits | None = None) -> Templates:
    """The only stamp, a white disc that touches the sides."""
    rows, columns = np.mgrid[:32, :32] - 15.5
    alpha = np.clip(16.0 - np.hypot(rows, columns), 0.0, 1.0) * 255
    rgba = np.dstack([np.full((32, 32, 3), 255.0), alpha]).astype(np.uint8)
    return Templates([Template("disc", rgba, limits=limits or Limits())])


def block(height: int, width: int, name: str = "block", **options: Any) -> Template:
    """A white rectangle with hard edges."""
    return Template(name, np.full((height, width, 4), 255, np.uint8), **options)


def picture(height: int = 48, width: int = 48) -> FloatArray:
    """A red disc and a dark corner on a slope of blue: nothing like the white canvas. [3, height, width]"""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    image = np.stack([0.2 + 0.1 * x, 0.3 + 0.2 * y, 0.6 + 0.2 * x]).astype(np.float32)
    image[:, (x + 0.2) ** 2 + (y - 0.1) ** 2 < 0.2] = np.array([0.8, 0.2, 0.1])[:, None]
    image[:, (x > 0.4) & (y < -0.3)] = 0.05
    return image


def rolling_ball(frame: int, seed: int = 0, height: int = 48, width: int = 64) -> FloatArray:
    """A bright ball that rolls to the right in front of a still, uneven wall: [3, height, width]."""
    coarse = 0.5 * np.random.default_rng(seed).random((3, 6, 8))
    wall = smooth(coarse, height, width)
    rows, columns = np.mgrid[:height, :width]
    inside = np.hypot(rows - 30, columns - 10 - 4 * frame) < 8
    return np.where(inside, np.array([0.9, 0.8, 0.2])[:, None, None], wall).astype(np.float32)


def smooth(coarse: NDArray[np.float64], height: int, width: int) -> FloatArray:
    """Planes [C, h, w] scaled bilinearly to [C, height, width]."""

    def weights(size: int, wanted: int) -> NDArray[np.float64]:
        at = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
        return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(size)))

    down, across = weights(coarse.shape[1], height), weights(coarse.shape[2], width)
    return (down @ coarse @ across.T).astype(np.float32)
