"""Mip levels and their footprints in plain NumPy: what backend/csrc/levels_cpu.cpp must equal to the bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.templates import ByteArray, FloatArray, padded

LEVELS_PER_OCTAVE = 2
BORDER = 2
_BLEED_WEIGHT = np.float32(1e-4)


def bitmap(rgba: ByteArray, level_u: int, level_v: int) -> ByteArray:
    """Returns a level of a picture: uint8 [h, w, 4], straight RGBA, colors bled into transparent texels."""
    source = bleed_colors(rgba)
    if level_u == 0 and level_v == 0:
        return source
    planes = _level(source, level_u, level_v)
    weight = planes[..., 3:] + _BLEED_WEIGHT
    straight = np.concatenate([planes[..., :3] / weight, planes[..., 3:]], 2)
    return np.rint(straight * 255.0).clip(0, 255).astype(np.uint8)


def _level(source: ByteArray, level_u: int, level_v: int) -> FloatArray:
    """A level [h, w, 4] of color * (alpha + _BLEED_WEIGHT) and alpha, made octave by octave."""
    parent_u, parent_v = max(level_u - LEVELS_PER_OCTAVE, 0), max(level_v - LEVELS_PER_OCTAVE, 0)
    if parent_u == 0 and parent_v == 0:
        parent = source.astype(np.float32)
        parent /= np.float32(255.0)
        parent[..., :3] *= parent[..., 3:] + _BLEED_WEIGHT
    else:
        parent = _level(source, parent_u, parent_v)
    height, width = source.shape[:2]
    return area_resample(area_resample(parent, shrunk(height, level_v), 0), shrunk(width, level_u), 1)


def shrunk(size: int, level: int) -> int:
    return max(1, round(size * 2.0 ** (-level / LEVELS_PER_OCTAVE)))


def bleed_colors(rgba: ByteArray) -> ByteArray:
    """Gives transparent texels the color of visible ones nearby: uint8 [h, w, 4]. Alpha and visible texels stay."""
    alpha = rgba[..., 3:].astype(np.float32)
    if alpha.all() or not alpha.any():
        return rgba
    fill = _pull(rgba[..., :3] * alpha, alpha)
    result = rgba.copy()
    hidden = rgba[..., 3] == 0
    result[hidden, :3] = np.rint(fill[hidden]).clip(0, 255)
    return result


def _pull(premultiplied: FloatArray, weight: FloatArray) -> FloatArray:
    """Returns colors [h, w, 3], also where the weight [h, w, 1] is 0."""
    height, width = weight.shape[:2]
    if (weight > 0).all():
        return premultiplied / weight
    half_size = ((height + 1) // 2, (width + 1) // 2)
    coarse = [area_resample(area_resample(a, half_size[0], 0), half_size[1], 1) for a in (premultiplied, weight)]
    below = _pull(*coarse)[np.arange(height)[:, None] // 2, np.arange(width)[None] // 2]
    return np.where(weight > 0, premultiplied / np.maximum(weight, np.float32(1e-12)), below)


def area_resample(array: FloatArray, size: int, axis: int) -> FloatArray:
    """Shrinks an axis to `size` samples, each the exact mean over its area."""
    old = array.shape[axis]
    if size == old:
        return array
    edges = np.arange(size + 1) * (old / size)
    first = np.floor(edges[:-1]).astype(np.int64)
    shape: list[Any] = [1] * array.ndim
    shape[axis] = size
    total = np.zeros([*array.shape[:axis], size, *array.shape[axis + 1 :]], np.float32)
    for tap in range(math.ceil(old / size) + 1):
        index = first + tap
        share = np.minimum(index + 1, edges[1:]) - np.maximum(index, edges[:-1])
        total += array.take(np.minimum(index, old - 1), axis) * share.clip(0).reshape(shape).astype(np.float32)
    return total * np.float32(size / old)


def tables(level: ByteArray) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Returns the footprints of alpha [h + 3, w + 3] and of the colors [h + 3, w + 3, 3] of a level's bitmap."""
    bordered = padded(level, BORDER)
    return footprints(bordered[..., 3]), np.stack([footprints(bordered[..., c]) for c in range(3)], -1)


def footprints(channel: ByteArray) -> NDArray[np.uint32]:
    """Packs 2 x 2 neighboring texels into each word: [h, w] to [h - 1, w - 1], the lowest byte first."""
    wide = channel.astype(np.uint32)
    return (
        wide[:-1, :-1] | wide[:-1, 1:] << np.uint32(8) | wide[1:, :-1] << np.uint32(16) | wide[1:, 1:] << np.uint32(24)
    )


def bounds(alpha: ByteArray, density_u: float, density_v: float) -> tuple[float, float, float, float, float]:
    """Center and half extents of the box of visible texels (texels), and their radius (local units)."""
    rows, columns = np.nonzero(alpha)
    if not len(rows):
        return 0.0, 0.0, -1.0, -1.0, 0.0
    center_u, center_v = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
    half_u, half_v = float(np.ptp(columns)) / 2, float(np.ptp(rows)) / 2
    u, v = (columns - center_u) / density_u, (rows - center_v) / density_v
    height, width = alpha.shape
    return (
        center_u - (width - 1) / 2,
        center_v - (height - 1) / 2,
        half_u,
        half_v,
        float(np.sqrt((u * u + v * v).max())),
    )
