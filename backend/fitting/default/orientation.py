"""Directions of the target's edges and of the stamps' longer axes."""

from __future__ import annotations

from ctypes import c_float, c_int64

import numpy as np

from ...native.arrays import FloatArray
from ...native.calls import BYTES, FLOATS, function
from ...pictures.filters import gaussian, shrunk
from ...templates import Templates

SIGMA = 1.5
"""The least sigma of a reduced tensor, in px of its own: it is smooth enough to be read at the nearest one."""


def edges(target: FloatArray, sigma: float, step: int = 1) -> FloatArray:
    """Returns a target's structure tensor (Bigun and Granlund, 1987): [3, H, W], its elements xx, xy and yy.

    target: [3, H, W]. sigma: of the neighborhood, px. step: the tensor has one value for so many px on each axis;
    lengths stay in px of the target. csrc/search_cpu.cpp reads directions of edges from the tensor, where a candidate
    needs one.
    """
    gray = gaussian(shrunk(target, step).mean(0), 1.0 / step)
    products = np.empty((3, *gray.shape), np.float32)
    function("diffbmp_slope_products", FLOATS, c_int64, c_int64, FLOATS)(gray, *gray.shape, products)
    for product in products:
        product[:] = gaussian(product, sigma / step)
    products *= np.float32(1.0 / step**2)
    return products


def edge_step(sigma: float) -> int:
    """Returns the step of `edges` for this sigma: a power of two, so that the tensor still has SIGMA px of its own."""
    return 1 << max(0, int(sigma / SIGMA).bit_length() - 1)


def long_axes(templates: Templates) -> FloatArray:
    """Returns the direction of each stamp's longer axis by the second moments of alpha: [T] radians from its u axis."""
    axis = function("diffbmp_long_axis", BYTES, c_int64, c_int64, result=c_float)
    planes = (item.source.alpha for item in templates.items)
    return np.array([axis(alpha, *alpha.shape) for alpha in planes], np.float32)
