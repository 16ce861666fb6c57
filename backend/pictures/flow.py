"""Optical flow between two frames of a clip, by dense inverse search (Kroeger et al., 2016)."""

from __future__ import annotations

import cv2
import numpy as np

from ..native.arrays import BoolArray, ByteArray, FloatArray

CONSISTENCY = 0.01
CONSISTENCY_OFFSET = 0.5  # px^2
"""The allowed difference of forward and backward flow: Sundaram et al. (2010), equation 5."""

SMALLEST = 16
"""The least shorter side for a flow, px."""


def flow(before: FloatArray, after: FloatArray) -> FloatArray:
    """The flow of each pixel of a frame [3, H, W] to the next frame: [2, H, W], px to the right and down."""
    height, width = before.shape[1:]
    if min(height, width) < SMALLEST:
        return np.zeros((2, height, width), np.float32)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    field = search.calc(_gray(before), _gray(after), np.zeros((height, width, 2), np.float32))
    return np.ascontiguousarray(np.moveaxis(np.asarray(field, np.float32), 2, 0))


def warped(image: FloatArray, field: FloatArray) -> FloatArray:
    """Samples an image [C, H, W] where a flow [2, H, W] leads: [C, H, W]; edges are extended."""
    height, width = field.shape[1:]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + field[0], rows + field[1]
    planes = [cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for plane in image]
    return np.stack(planes).astype(np.float32, copy=False)


def occluded(forward: FloatArray, backward: FloatArray) -> BoolArray:
    """Finds the pixels of a frame without a counterpart in the next: [H, W] bool.

    forward, backward: the flows [2, H, W] to the next frame and back. A pixel has no counterpart if one does not undo
    the other, or if it leads out of the picture.
    """
    height, width = forward.shape[1:]
    back = warped(backward, forward)
    apart = np.square(forward + back).sum(0)
    length = np.square(forward).sum(0) + np.square(back).sum(0)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + forward[0], rows + forward[1]
    outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    return outside | (apart > CONSISTENCY * length + CONSISTENCY_OFFSET)


def _gray(frame: FloatArray) -> ByteArray:
    pixels = np.rint(np.clip(frame, 0.0, 1.0) * np.float32(255.0)).astype(np.uint8)
    pixels = np.ascontiguousarray(np.moveaxis(pixels, 0, 2))
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
