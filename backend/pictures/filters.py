"""Filters of planes [..., H, W]: float32, with sums in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from ctypes import c_int32, c_int64

import numpy as np

from ..native.arrays import FloatArray
from ..native.calls import DOUBLES, FLOATS, function


def bell(sigma: float, reach: int) -> list[float]:
    """The weights of a Gaussian of this standard deviation from -reach to reach px; their sum is 1."""
    values = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-reach, reach + 1)]
    total = math.fsum(values)
    return [value / total for value in values]


def window_sums(planes: FloatArray, weights: list[float], axes: Sequence[int] = (-2, -1)) -> FloatArray:
    """Sums with weights over the windows that lie inside the planes, along each axis in turn.

    Each axis becomes shorter by len(weights) - 1.
    """
    sizes = (c_int32, *[c_int64] * 4)
    sums = function("diffbmp_window_sums", FLOATS, FLOATS, FLOATS, *sizes)
    shares = np.array(weights, np.float32)
    for axis in axes:
        planes = np.ascontiguousarray(planes)
        shape = list(planes.shape)
        shape[axis] -= len(weights) - 1
        result = np.empty(shape, np.float32)
        stride = planes.strides[axis] // planes.itemsize
        size_in, size_out = planes.shape[axis] * stride, shape[axis] * stride
        sums(planes, result, shares, len(weights), planes.size // size_in, size_in, size_out, stride)
        planes = result
    return planes


def gaussian(plane: FloatArray, sigma: float) -> FloatArray:
    """Blurs a plane [H, W] with a Gaussian of this standard deviation, px; edges are extended."""
    reach = math.ceil(3.0 * sigma)
    return window_sums(np.pad(plane, reach, mode="edge"), bell(sigma, reach), (-1, -2))


def box_mean(planes: FloatArray, side: int) -> FloatArray:
    """The mean of planes [C, H, W] over a square of odd side around each pixel, as far as it lies inside."""
    columns = function("diffbmp_box_columns", FLOATS, FLOATS, *[c_int64] * 3)
    rows = function("diffbmp_box_rows", FLOATS, FLOATS, DOUBLES, *[c_int64] * 3)
    planes = np.ascontiguousarray(planes)
    height, width = planes.shape[1:]
    across, result, sums = np.empty_like(planes[0]), np.empty_like(planes), np.empty(width)
    for plane, mean in zip(planes, result, strict=True):
        columns(plane, across, height, width, side // 2)
        rows(across, mean, sums, height, width, side // 2)
    return result


def shrunk(planes: FloatArray, factor: int) -> FloatArray:
    """Shrinks planes [C, H, W] to the means of factor x factor px, fewer at the far edges."""
    if factor == 1:
        return planes
    means = function("diffbmp_shrunk", FLOATS, FLOATS, DOUBLES, *[c_int64] * 3)
    planes = np.ascontiguousarray(planes)
    count, height, width = planes.shape
    result, sums = np.empty((count, -(-height // factor), -(-width // factor)), np.float32), np.empty(width)
    for plane, small in zip(planes, result, strict=True):
        means(plane, small, sums, height, width, factor)
    return result
