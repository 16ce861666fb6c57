"""The noise canvas as a plane, for engines that do not make it where they need it."""

from __future__ import annotations

from ctypes import c_float, c_int32, c_uint32, c_void_p

import numpy as np

from ..native.arrays import FloatArray
from ..native.calls import FLOATS, function
from ..pictures.color import decode_table
from .interface import Noise


def noise_plane(noise: Noise, height: int, width: int, *, space: str = "display") -> FloatArray:
    """The background [3, height, width] that a step with this noise sees, as composited."""
    plane = np.empty((3, height, width), np.float32)
    decode = decode_table() if space == "linear" else None
    fill = function("diffbmp_noise", FLOATS, c_int32, c_int32, c_uint32, c_float, c_void_p)
    fill(plane, height, width, noise.key, noise.contrast, None if decode is None else decode.ctypes.data)
    return plane
