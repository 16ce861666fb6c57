"""Pictures that are shown while a job runs."""

from __future__ import annotations

from ..native.arrays import ByteArray, FloatArray
from ..pictures.png import pixels_of
from ..pictures.scaling import resized

PREVIEW_SIZE = 1024
"""Greatest side of a preview, px: it is shown in a panel, and written while the fit waits."""


def small(picture: FloatArray) -> ByteArray:
    """Returns the pixels [h, w, 3 or 4] of a picture [3, H, W] or straight [4, H, W], no larger than a preview."""
    channels, height, width = picture.shape
    factor = min(1.0, PREVIEW_SIZE / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    return resized([pixels_of(picture)], (height, width), size, channels, smooth=False)
