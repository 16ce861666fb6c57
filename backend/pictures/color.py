"""The sRGB transfer function (IEC 61966-2-1) between display-encoded values and linear light."""

from __future__ import annotations

from ctypes import c_int64

import numpy as np

from ..native.arrays import FloatArray
from ..native.calls import FLOATS, function


def decode(encoded: FloatArray) -> FloatArray:
    """Converts display-encoded values to linear light: float32 of any shape."""
    return _converted("diffbmp_decode", encoded)


def encode(light: FloatArray) -> FloatArray:
    """Converts linear light to display-encoded values: float32 of any shape."""
    return _converted("diffbmp_encode", light)


def _converted(name: str, values: FloatArray) -> FloatArray:
    values = np.ascontiguousarray(values).reshape(np.shape(values))
    result = np.empty_like(values)
    function(name, FLOATS, FLOATS, c_int64)(values, result, values.size)
    return result


def composited(color: FloatArray, alpha: FloatArray, background: FloatArray, space: str) -> FloatArray:
    """Composites a straight picture [3, H, W] with alpha [H, W] over a background [3], all display-encoded."""
    behind = background.reshape(3, 1, 1)
    if space == "linear":
        return encode(decode(color) * alpha + decode(behind) * (np.float32(1.0) - alpha))
    return color * alpha + behind * (np.float32(1.0) - alpha)


DECODE_STEPS = 4
"""Entries of the decoding table per 8-bit step: linear interpolation is off by 3e-7 of white at most."""


def decode_table() -> FloatArray:
    """The linear light of texel values 0, 1/4, 2/4 ... 255, and one more for interpolation: [1022] float32."""
    result = np.empty(255 * DECODE_STEPS + 2, np.float32)
    function("diffbmp_decode_table", FLOATS, c_int64, c_int64)(result, result.size, 255 * DECODE_STEPS)
    return result
