"""Scaling of pictures while their rows come in: a huge one needs the memory of some rows."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from ctypes import POINTER, c_int32, c_int64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..native.arrays import ByteArray, FloatArray
from ..native.calls import BYTES, FLOATS, INTS, function
from ..native.structs import Long, Pointer, struct


@struct
class _Scaling(ctypes.Structure):
    """Mirror of struct Scaling of pictures_cpu.cpp."""

    __slots__ = ()
    first_x: Pointer = None
    first_y: Pointer = None
    weights_x: Pointer = None
    weights_y: Pointer = None
    line: Pointer = None
    ring: Pointer = None
    total: Pointer = None
    out: Pointer = None
    in_width: Long = 0
    out_width: Long = 0
    out_height: Long = 0
    taps_x: Long = 0
    taps_y: Long = 0
    channels: Long = 0
    next_in: Long = 0
    next_out: Long = 0


class Scaler:
    """A picture that is scaled while its rows are added, from top to bottom."""

    def __init__(
        self,
        size: tuple[int, int],  # height, width of the picture, px
        wanted: tuple[int, int],  # height, width of the result, px
        channels: int,  # 4 = straight RGBA, 3 = RGB, 1 = gray
        *,
        smooth: bool,
    ) -> None:
        """smooth: with Lanczos's window of 3 lobes; else to the means of areas."""
        self.result: ByteArray = np.zeros((*wanted, channels), np.uint8)
        """uint8 [h, w, channels], complete after the last row. Transparent pixels do not show in their neighbors."""
        first_y, weights_y = _weights(size[0], wanted[0], smooth=smooth)
        first_x, weights_x = _weights(size[1], wanted[1], smooth=smooth)
        row: FloatArray = np.empty(wanted[1] * channels, np.float32)
        arrays: dict[str, NDArray[Any]] = {
            "first_x": first_x,
            "first_y": first_y,
            "weights_x": weights_x,
            "weights_y": weights_y,
            "line": np.empty(size[1] * channels, np.float32),
            "ring": np.empty((weights_y.shape[1], len(row)), np.float32),
            "total": row,
            "out": self.result,
        }
        self._kept = arrays
        self._scaling = _Scaling(
            **{name: array.ctypes.data for name, array in arrays.items()},
            in_width=size[1],
            out_width=wanted[1],
            out_height=wanted[0],
            taps_x=weights_x.shape[1],
            taps_y=weights_y.shape[1],
            channels=channels,
        )
        self._row_shape = (size[1], channels)

    def add(self, rows: ByteArray) -> None:
        """Adds rows [n, w, channels] below the earlier ones."""
        assert rows.shape[1:] == self._row_shape
        scale = function("diffbmp_scale", POINTER(_Scaling), BYTES, c_int64)
        scale(ctypes.byref(self._scaling), np.ascontiguousarray(rows), len(rows))


def _weights(size: int, wanted: int, *, smooth: bool) -> tuple[NDArray[np.int32], FloatArray]:
    """Returns the first pixel that counts for each of the result [wanted], and weights [wanted, taps] from there."""
    scale = size / wanted
    taps = min(size, math.ceil(6.0 * max(scale, 1.0) if smooth else scale) + 1)
    first, weights = np.empty(wanted, np.int32), np.empty((wanted, taps), np.float32)
    function("diffbmp_scaling", INTS, FLOATS, c_int64, c_int64, c_int64, c_int32)(
        first, weights, size, wanted, taps, smooth
    )
    return first, weights


def resized(
    strips: Iterable[ByteArray],  # [rows, w, channels], from top to bottom
    size: tuple[int, int],  # height, width of the picture, px
    wanted: tuple[int, int],  # height, width of the result, px
    channels: int,
    *,
    smooth: bool = True,
) -> ByteArray:
    """Scales a picture of straight RGBA, RGB or gray, of 4, 3 or 1 channels: see Scaler."""
    if size == wanted:
        result, row = np.empty((*size, channels), np.uint8), 0
        for strip in strips:
            if len(strip) == size[0]:
                return strip
            result[row : row + len(strip)] = strip
            row += len(strip)
        return result
    scaler = Scaler(size, wanted, channels, smooth=smooth)
    for strip in strips:
        scaler.add(strip)
    return scaler.result
