"""The motion of the target, which primitives follow."""

from __future__ import annotations

import cv2
import numpy as np

from ...native.arrays import FloatArray
from ...pictures.flow import flow, warped

WINDOW = 9
"""Side of the window in which the flow must explain the change, px."""

BETTER = 0.7
"""Greatest share of the change that the flow may leave: blurred and covered parts have no reliable flow."""


def motion(before: FloatArray, after: FloatArray) -> FloatArray:
    """Returns the optical flow between frames [3, H, W], 0 where it does not explain the change: [2, H, W] px."""
    field = flow(before, after)
    left = _smooth(warped(after, field) - before)
    change = _smooth(after - before)
    return np.where(left < BETTER * change, field, np.float32(0.0))


def _smooth(difference: FloatArray) -> FloatArray:
    """Returns the mean absolute difference [3, H, W] in the window around each pixel: [H, W]."""
    return np.asarray(cv2.blur(np.abs(difference).mean(0), (WINDOW, WINDOW)), np.float32)


def sampled(field: FloatArray, position: FloatArray) -> FloatArray:
    """Samples a field [C, H, W] at positions [N, 2] px by the nearest pixel: [N, C]."""
    height, width = field.shape[1:]
    column = np.floor(position[:, 0]).astype(np.int64).clip(0, width - 1)
    row = np.floor(position[:, 1]).astype(np.int64).clip(0, height - 1)
    return field[:, row, column].T
