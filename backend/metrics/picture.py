"""The similarity of two pictures, whole or strip by strip."""

from __future__ import annotations

import math
from ctypes import c_int64, c_void_p

import numpy as np
from numpy.typing import NDArray

from ..native.arrays import BoolArray, FloatArray
from ..native.calls import DOUBLES, FLOATS, function
from ..pictures.filters import bell

RADIUS = 5
"""Half the side of SSIM's window, px: Gaussian, 11 x 11 (Wang et al., 2004)."""

_WINDOW = np.array(bell(1.5, RADIUS), np.float32)


def psnr(image: FloatArray, target: FloatArray, weight: FloatArray | None = None) -> float:
    """The peak signal-to-noise ratio, dB; at most 100, so that equal pictures have a number too.

    image, target: [3, H, W] display-encoded in [0, 1]; the image is clamped. weight: [H, W] of pixels; None = 1.
    """
    comparison = Comparison(target, weight, windows=False)
    comparison.add(image)
    return decibels(comparison.error())


def decibels(error: float) -> float:
    """The peak signal-to-noise ratio of a mean squared error, dB; at most 100."""
    return -10.0 * math.log10(max(error, 1e-10))


def ssim(image: FloatArray, target: FloatArray, weight: FloatArray | None = None) -> float:
    """The structural similarity: the mean over channels and over pixels whose window lies inside the picture.

    image, target: [3, H, W] display-encoded in [0, 1]; the image is clamped. weight: [H, W] of pixels; None = 1.
    A picture smaller than the window is extended by its edges, and all its pixels count.
    """
    comparison = Comparison(target, weight)
    comparison.add(image)
    return comparison.similarity()


class Comparison:
    """A picture that is compared with its target strip by strip: the same numbers however it is cut."""

    def __init__(self, target: FloatArray, weight: FloatArray | None = None, *, windows: bool = True) -> None:
        """target, weight: as psnr and ssim have them. windows: compares the windows of SSIM, too."""
        height, width = target.shape[1:]
        self._target, self._weight = target, _counting(weight)
        self._errors: BoolArray = np.zeros(height, bool)  # rows that are known
        self._error_sums = np.zeros(height)
        small = min(height, width) <= 2 * RADIUS
        self._border = RADIUS if small else 0
        edge = 0 if small else RADIUS
        self._inner = (slice(edge, height - edge), slice(edge, width - edge))  # the middles of the windows
        self._inner_weight = None if weight is None else _counting(weight[self._inner])
        self.windows: BoolArray = np.zeros(height - 2 * edge if windows else 0, bool)
        """The rows of windows that are known."""
        self._window_sums = np.zeros(len(self.windows))
        self._padded = _extended(target, self._border, top=True, bottom=True) if windows else target
        self._latest, self._next = target[:, :0], -1  # the rows that the next windows share, and the row after them

    def add(self, image: FloatArray, top: int = 0) -> None:
        """Adds rows [3, rows, W] of the picture from row `top` on. Windows lie within rows that follow one another."""
        rows, width = image.shape[1:]
        weight = None if self._weight is None else self._weight[top : top + rows]
        target = self._target[:, top : top + rows]
        sums = np.zeros(rows)
        compare = function("diffbmp_errors", *[c_void_p] * 3, DOUBLES, *[c_int64] * 4)
        planes = _planes(image), _planes(target)
        counts = None if weight is None else np.ascontiguousarray(weight)
        compare(*map(_at, (*planes, counts)), sums, rows, width, *(plane.strides[0] // 4 for plane in planes))
        self._error_sums[top : top + rows], self._errors[top : top + rows] = sums, True
        if len(self.windows):
            self._add_windows(planes[0], top)

    def _add_windows(self, image: FloatArray, top: int) -> None:
        height = self._target.shape[1]
        bottom = top + image.shape[1]
        image = _extended(image, self._border, top=top == 0, bottom=bottom == height)
        begin = top + self._border if top else 0
        if top == self._next:
            image = np.concatenate([self._latest, image], 1)
            begin -= self._latest.shape[1]
        self._latest, self._next = image[:, -2 * RADIUS :], bottom
        rows, width = image.shape[1] - 2 * RADIUS, image.shape[2]
        if rows <= 0:
            return
        weight = None if self._inner_weight is None else self._inner_weight[begin : begin + rows]
        compare = function("diffbmp_similarity", *[c_void_p] * 3, FLOATS, DOUBLES, *[c_int64] * 3)
        sums = np.zeros(rows)
        counts = None if weight is None else np.ascontiguousarray(weight)
        stride = 0 if counts is None else counts.shape[1]
        for ours, theirs in zip(_planes(image), _planes(self._padded[:, begin:]), strict=True):
            compare(ours.ctypes.data, theirs.ctypes.data, _at(counts), _WINDOW, sums, rows, width, stride)
        self._window_sums[begin : begin + rows], self.windows[begin : begin + rows] = sums, True

    def error(self, rows: BoolArray | None = None) -> float:
        """The mean squared error of rows [H] that are known, by default of all of them; NaN where none counts."""
        return _mean(self._error_sums, self._weight, self._target.shape[2], self._errors if rows is None else rows)

    def similarity(self, rows: BoolArray | None = None) -> float:
        """The mean similarity of rows of windows that are known, by default of all; NaN where none counts."""
        width = self._inner[1].stop - self._inner[1].start
        known = self.windows if rows is None else rows
        return _mean(self._window_sums, self._inner_weight, width, known) / 3.0

    @property
    def rows(self) -> BoolArray:
        """The rows whose error is known."""
        return self._errors


def _counting(weight: FloatArray | None) -> FloatArray | None:
    """Returns the weight; None where it is 0 everywhere: then all pixels count."""
    return weight if weight is not None and weight.any() else None


def _mean(sums: NDArray[np.float64], weight: FloatArray | None, width: int, rows: BoolArray) -> float:
    count = width * int(rows.sum()) if weight is None else float(weight[rows].sum(dtype=np.float64))
    return float(sums[rows].sum()) / count if count else math.nan


def _planes(image: FloatArray) -> FloatArray:
    """Returns planes [3, H, W] each of which lies in one piece."""
    whole = image.dtype == np.float32 and image.strides[1:] == (4 * image.shape[2], 4)
    return image if whole else np.ascontiguousarray(image, np.float32)


def _at(array: FloatArray | None) -> int | None:
    return None if array is None else array.ctypes.data


def _extended(image: FloatArray, border: int, *, top: bool, bottom: bool) -> FloatArray:
    """Extends planes by their edges: at both sides, and where it is said."""
    if not border:
        return image
    return np.pad(image, ((0, 0), (border * top, border * bottom), (border, border)), mode="edge")
