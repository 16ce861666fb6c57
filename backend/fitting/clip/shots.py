"""Cuts of a moving target: the frames at which another shot begins."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ...native.arrays import FloatArray

THUMBNAIL = 64
"""Longer side of the compared pictures, px: motion by a few percent stays within a pixel."""

FLAT = 1.0 / 255.0
"""Standard deviation of a picture that shows nothing."""


class CutFinder:
    """Finds cuts by comparing each frame with the one before.

    In two frames of a shot, large shapes are in about the same places, so their small gray pictures correlate: by 0.55
    or more even when something passes close to the camera and covers half of the picture, by 0.25 or less at cuts, even
    between scenes of the same colors.
    """

    def __init__(self, threshold: float) -> None:
        """Makes a finder of cuts. threshold: correlation below which there is a cut, from 0 = never to 1."""
        self._threshold = threshold
        self._before: NDArray[np.float64] | None = None

    def is_cut(self, frame: FloatArray) -> bool:
        """Returns whether a shot begins with this frame [3, H, W], display-encoded; False for the first."""
        after = _thumbnail(frame)
        before, self._before = self._before, after
        return before is not None and self._threshold > 0 and _correlation(before, after) < self._threshold


def _thumbnail(frame: FloatArray) -> NDArray[np.float64]:
    gray = frame.mean(0)
    factor = min(1.0, THUMBNAIL / max(gray.shape))
    size = (max(1, round(gray.shape[1] * factor)), max(1, round(gray.shape[0] * factor)))
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float64)


def _correlation(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    flat = [picture.std() < FLAT for picture in (before, after)]
    if any(flat):
        # A fade from or to a flat picture is no cut until the picture is flat.
        return 1.0 if all(flat) else 0.0
    a, b = before - before.mean(), after - after.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
