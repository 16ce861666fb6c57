"""Palettes: the only colors that primitives may have, given or taken from the target.

Palettes are taken from a target by k-means in OKLab, where distances are perceptual, so that a small vivid area is not
lost to shades of a large dull one. After that, colors are compared display-encoded, as errors are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...job import Settings
from ...native.arrays import FloatArray, IntArray
from ...native.elementary import power
from ...pictures.color import decode
from ..random import Random

DoubleArray = NDArray[np.float64]

MAX_SAMPLES = 2**20
"""Greatest number of pixels from which a palette is taken."""
BINS = 64
"""Steps per channel of the histogram of the target's colors."""

_ROUNDS = 30
_CHUNK = 2**22  # pairs of colors compared at once

# OKLab (Björn Ottosson, 2020): light to cone responses, and their cube roots to lightness and two opponent colors.
_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_OPPONENTS = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def palette_of(settings: Settings, target: FloatArray, weight: FloatArray | None, random: Random) -> FloatArray | None:
    """Returns the palette of the settings: [P, 3] display-encoded, each color once. None = any color.

    target [3, H, W], weight [H, W] as for fitting.fit.
    """
    if settings.palette:
        return np.array(list(dict.fromkeys(settings.palette)), np.float32)
    if settings.palette_size:
        return extract(target, weight, settings.palette_size, random)
    return None


def extract(target: FloatArray, weight: FloatArray | None, size: int, random: Random) -> FloatArray:
    """Extracts at most `size` colors from a target: [P, 3] display-encoded in 8-bit steps, dark to light.

    target [3, H, W] display-encoded; weight [H, W] of each pixel. A target with fewer colors gives fewer.
    """
    colors, mass = _histogram(target, weight, random)
    points = oklab(colors)
    centers = _seeds(points, mass, size, random)
    owner = nearest(points, centers)
    for _ in range(_ROUNDS):
        centers = _means(points, mass, owner, centers)
        before, owner = owner, nearest(points, centers)
        if np.array_equal(before, owner):
            break
    # The mean of display-encoded colors has the least error.
    used = np.bincount(owner, mass, len(centers)) > 0
    means = _means(colors, mass, owner, np.zeros((len(centers), 3), np.float32))[used]
    palette = np.unique(np.rint(means * np.float32(255.0)) / np.float32(255.0), axis=0)
    return palette[np.argsort(oklab(palette)[:, 0], kind="stable")]


def nearest(colors: FloatArray, palette: FloatArray) -> IntArray:
    """Returns the index of the palette's color [P, 3] that is nearest to each of colors [N, 3]: [N]."""
    return best_of_palette(colors, np.ones_like(colors), palette)


def best_of_palette(numerator: FloatArray, denominator: FloatArray, palette: FloatArray) -> IntArray:
    """Returns the index of the palette's color c [P, 3] with the least sum over channels of A c^2 - 2 S c: [M].

    numerator: S [M, 3], denominator: A [M, 3] >= 0; without a palette, c = S / A is the least.
    """
    square, double = np.square(palette).T, (np.float32(2.0) * palette).T
    rows = max(1, _CHUNK // len(palette))
    result = np.empty(len(numerator), np.int64)
    for first in range(0, len(numerator), rows):
        part = slice(first, first + rows)
        cost = _applied(denominator[part], square) - _applied(numerator[part], double)
        result[part] = cost.argmin(1)
    return result


def oklab(colors: FloatArray) -> FloatArray:
    """Converts display-encoded colors [N, 3] to OKLab [N, 3]: lightness from 0 to 1, green to red, blue to yellow."""
    cones = _applied(decode(colors), np.array(_CONES, np.float32).T)
    return _applied(power(np.maximum(cones, np.float32(0.0)), 1.0 / 3.0), np.array(_OPPONENTS, np.float32).T)


def _applied(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    """Returns the product of rows [N, 3] and a matrix [3, M], summed in the same order on every machine."""
    return rows[:, :1] * matrix[0] + rows[:, 1:2] * matrix[1] + rows[:, 2:] * matrix[2]


def _histogram(target: FloatArray, weight: FloatArray | None, random: Random) -> tuple[FloatArray, DoubleArray]:
    """Returns the mean color of each occupied bin, and its weight: [M, 3], [M]."""
    pixels = target.reshape(3, -1)
    weights = np.ones(pixels.shape[1]) if weight is None else weight.ravel().astype(np.float64)
    if weight is not None:
        pixels, weights = pixels[:, weights > 0], weights[weights > 0]
    if pixels.shape[1] > MAX_SAMPLES:
        chosen = random.integers(pixels.shape[1], MAX_SAMPLES)
        pixels, weights = pixels[:, chosen], weights[chosen]
    pixels = np.clip(pixels, 0.0, 1.0)
    steps = np.rint(pixels * np.float32(BINS - 1)).astype(np.int64)
    bins = (steps[0] * BINS + steps[1]) * BINS + steps[2]
    mass = np.bincount(bins, weights, BINS**3)
    used = mass > 0
    means = [np.bincount(bins, weights * plane, BINS**3)[used] / mass[used] for plane in pixels]
    return np.stack(means, 1).astype(np.float32), mass[used]


def _seeds(points: FloatArray, mass: DoubleArray, size: int, random: Random) -> FloatArray:
    """Draws the starting points of k-means, each by its squared distance to the previous ones (k-means++)."""
    chosen: list[int] = []
    distance = np.ones(len(points))
    for _ in range(min(size, len(points))):
        cumulative = np.cumsum(mass * distance)
        if cumulative[-1] <= 0:
            break
        draw = random.uniform64(1)[0] * cumulative[-1]
        index = min(int(np.searchsorted(cumulative, draw, side="right")), len(points) - 1)
        chosen.append(index)
        apart = np.square(points - points[index]).sum(1).astype(np.float64)
        distance = apart if len(chosen) == 1 else np.minimum(distance, apart)
    return points[chosen]


def _means(points: FloatArray, mass: DoubleArray, owner: IntArray, centers: FloatArray) -> FloatArray:
    """Returns the mean of the points that each center owns; a center without points stays."""
    total = np.bincount(owner, mass, len(centers))
    sums = [np.bincount(owner, mass * column, len(centers)) for column in points.T]
    means = np.stack(sums, 1) / np.maximum(total, 1e-300)[:, None]
    return np.where(total[:, None] > 0, means.astype(np.float32), centers)
