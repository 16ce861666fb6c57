"""Easings of a motion from 0 to 1 (after R. Penner, 2001)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

EASINGS = ("linear", "smooth", "in", "out", "in-out", "back", "elastic", "bounce")


def eased(name: str, t: FloatArray) -> FloatArray:
    """Returns the share of the motion that is done at times t from 0 to 1; some easings overshoot 1."""
    t = np.clip(t, 0.0, 1.0)
    match name:
        case "linear":
            return t
        case "smooth":
            return t * t * (3.0 - 2.0 * t)
        case "in":
            return t**3
        case "out":
            return 1.0 - (1.0 - t) ** 3
        case "in-out":
            return np.where(t < 0.5, 4.0 * t**3, 1.0 - 4.0 * (1.0 - t) ** 3)
        case "back":
            overshoot = 1.70158
            return 1.0 + (overshoot + 1.0) * (t - 1.0) ** 3 + overshoot * (t - 1.0) ** 2
        case "elastic":
            wave = 1.0 + 2.0 ** (-10.0 * t) * np.sin((10.0 * t - 0.75) * 2.0 * np.pi / 3.0)
            return np.where(t <= 0.0, 0.0, np.where(t >= 1.0, 1.0, wave))
        case "bounce":
            return _bounced(t)
    raise ValueError(name)


def _bounced(t: FloatArray) -> FloatArray:
    """Returns the easing of a fall with bounces to a quarter, a sixteenth and a sixty-fourth of the height."""
    time, result = 2.75 * t, np.empty_like(t)
    for begin, middle, height in ((0.0, 0.0, 0.0), (1.0, 1.5, 0.75), (2.0, 2.25, 0.9375), (2.5, 2.625, 0.984375)):
        part = time >= begin
        result[part] = (time[part] - middle) ** 2 + height
    return np.minimum(result, 1.0)
