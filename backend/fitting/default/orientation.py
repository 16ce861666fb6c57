"""Directions of the target's edges and of the stamps' longer axes."""

from __future__ import annotations

from ctypes import c_float, c_int64

import numpy as np

from ...native.arrays import FloatArray
from ...native.calls import BYTES, FLOATS, function
from ...pictures.filters import gaussian
from ...templates import Templates


def edges(target: FloatArray, sigma: float) -> FloatArray:
    """Returns a target's structure tensor (Bigun and Granlund, 1987): [3, H, W], its elements xx, xy and yy.

    target: [3, H, W]. sigma: of the neighborhood, px. csrc/search_cpu.cpp reads directions of edges from the tensor,
    where a candidate needs one.
    """
    gray = gaussian(target.mean(0), 1.0)
    products = np.empty((3, *gray.shape), np.float32)
    function("diffbmp_slope_products", FLOATS, c_int64, c_int64, FLOATS)(gray, *gray.shape, products)
    return np.stack([gaussian(product, sigma) for product in products])


def long_axes(templates: Templates) -> FloatArray:
    """Returns the direction of each stamp's longer axis by the second moments of alpha: [T] radians from its u axis."""
    axis = function("diffbmp_long_axis", BYTES, c_int64, c_int64, result=c_float)
    planes = (item.source.alpha for item in templates.items)
    return np.array([axis(alpha, *alpha.shape) for alpha in planes], np.float32)
