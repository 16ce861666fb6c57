"""Elementary functions of arrays, with the same bits on every processor, which NumPy's do not have.

Arrays are float32 of any shape. csrc/elementary.h has the functions and their errors.
"""

from __future__ import annotations

from ctypes import c_float, c_int64

import numpy as np

from .arrays import FloatArray
from .calls import FLOATS, function


def exp(values: FloatArray) -> FloatArray:
    """Returns e to the power of each value."""
    given, result = _prepared(values)
    function("diffbmp_exp", FLOATS, FLOATS, c_int64)(given, result, given.size)
    return result


def log(values: FloatArray) -> FloatArray:
    """Returns the natural logarithm of each value: -infinity of 0, NaN of less."""
    given, result = _prepared(values)
    function("diffbmp_log", FLOATS, FLOATS, c_int64)(given, result, given.size)
    return result


def power(bases: FloatArray, exponent: float) -> FloatArray:
    """Returns each base, which is at least 0, to the power of the exponent."""
    given, result = _prepared(bases)
    function("diffbmp_power", FLOATS, c_float, FLOATS, c_int64)(given, exponent, result, given.size)
    return result


def sine_cosine(angles: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns the sine and the cosine of each angle, radians."""
    given, sine = _prepared(angles)
    cosine = np.empty_like(sine)
    function("diffbmp_sine_cosine", FLOATS, FLOATS, FLOATS, c_int64)(given, sine, cosine, given.size)
    return sine, cosine


def _prepared(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns the values in one piece, and memory for the result."""
    # Unlike ascontiguousarray, require() leaves an array without axes as it is.
    given = np.require(values, requirements="C")
    return given, np.empty_like(given)
