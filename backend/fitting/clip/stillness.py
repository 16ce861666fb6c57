"""Still parts of a moving target: pixels that do not change, and primitives that lie only on those."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ...native.arrays import BoolArray, FloatArray
from ...native.elementary import sine_cosine

WINDOW = 3
"""Side of the window over which changes are averaged, px, to suppress noise."""


class Stillness:
    """Finds the pixels of a target that change from frame to frame.

    A pixel is compared with its value at its last change, so that slow changes are noticed, too.
    """

    def __init__(self, first: FloatArray, threshold: float) -> None:
        """Begins with all relevant planes of the first frame [C, H, W]. threshold: least change of a pixel, of 1."""
        self._settled, self._threshold = first, threshold

    def changed(self, frame: FloatArray) -> BoolArray:
        """Returns which pixels of the next frame [C, H, W] have changed: [H, W] bool."""
        difference = np.abs(frame - self._settled).max(0)
        changed: BoolArray = cv2.blur(difference, (WINDOW, WINDOW)) > self._threshold
        self._settled = np.where(changed, frame, self._settled)
        return changed


def widened(plane: BoolArray, side: int) -> BoolArray:
    """Returns the pixels [H, W] in a square of this odd side around each pixel of a plane [H, W]."""
    return _spread(_spread(plane, side).T, side).T


def _spread(plane: BoolArray, side: int) -> BoolArray:
    """Widens a plane by rows only."""
    result = plane.copy()
    for shift in range(1, side // 2 + 1):
        result[shift:] |= plane[:-shift]
        result[:-shift] |= plane[shift:]
    return result


def untouched(params: FloatArray, changed: BoolArray) -> BoolArray:
    """Returns which primitives [N, 9] have no pixel in `changed` [H, W] within their upright bounding box: [N] bool."""
    x, y, scale, aspect, rotation = params[:, :5].T
    sine, cosine = (np.abs(values) for values in sine_cosine(rotation))
    half_u, half_v = scale * np.sqrt(aspect), scale / np.sqrt(aspect)
    half_x, half_y = cosine * half_u + sine * half_v + 1.0, sine * half_u + cosine * half_v + 1.0
    return _means(changed, x - half_x, x + half_x, y - half_y, y + half_y) == 0.0


def beneath(params: FloatArray, plane: FloatArray) -> FloatArray:
    """Returns the mean of a plane [H, W] in upright squares around primitives [N, 9], as large as these: [N]."""
    x, y, reach = params[:, 0], params[:, 1], params[:, 2]
    return _means(plane, x - reach, x + reach, y - reach, y + reach).astype(np.float32)


def _means(
    plane: FloatArray | BoolArray, left: FloatArray, right: FloatArray, top: FloatArray, bottom: FloatArray
) -> NDArray[np.float64]:
    """Returns the mean of a plane [H, W] in rectangles [N], px; with at least one pixel in the plane: [N]."""
    height, width = plane.shape
    # Sums over everything above and to the left.
    sums = np.zeros((height + 1, width + 1))
    sums[1:, 1:] = plane.cumsum(0, dtype=np.float64).cumsum(1)
    first_column, end_column = _pixels(left, right, width)
    first_row, end_row = _pixels(top, bottom, height)
    total = sums[end_row, end_column] - sums[first_row, end_column]
    total += sums[first_row, first_column] - sums[end_row, first_column]
    return total / ((end_column - first_column) * (end_row - first_row))


def _pixels(begin: FloatArray, end: FloatArray, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the first pixel and the end of each span [N], at least one pixel of `size`."""
    first = np.floor(begin).astype(np.int64).clip(0, size - 1)
    return first, np.maximum(np.ceil(end).astype(np.int64).clip(0, size), first + 1)
