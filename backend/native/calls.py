"""Calls of single functions of the compiled library, with contiguous arrays passed as they are."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.ctypeslib import ndpointer

from . import library

FLOATS = ndpointer(np.float32, flags="C_CONTIGUOUS")
DOUBLES = ndpointer(np.float64, flags="C_CONTIGUOUS")
BYTES = ndpointer(np.uint8, flags="C_CONTIGUOUS")
INTS = ndpointer(np.int32, flags="C_CONTIGUOUS")
LONGS = ndpointer(np.int64, flags="C_CONTIGUOUS")
"""Arguments that take an array of this kind, and no other."""


@cache
def function(name: str, *arguments: Any, result: Any = None) -> Any:
    """Returns a function of the library for this processor, with ctypes for its arguments and result."""
    return library.load()[0].function(name, result, *arguments)
