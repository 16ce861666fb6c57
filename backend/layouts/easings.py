"""Easings of a motion from 0 to 1 (after R. Penner, 2001)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def _bounced(t: FloatArray) -> FloatArray:
    """Returns the easing of a fall with bounces to a quarter, a sixteenth and a sixty-fourth of the height."""
    time, result = 2.75 * t, np.empty_like(t)
    for begin, middle, height in ((0.0, 0.0, 0.0), (1.0, 1.5, 0.75), (2.0, 2.25, 0.9375), (2.5, 2.625, 0.984375)):
        part = time >= begin
        result[part] = (time[part] - middle) ** 2 + height
    return np.minimum(result, 1.0)


def _overshooting(t: FloatArray) -> FloatArray:
    overshoot = 1.70158
    return 1.0 + (overshoot + 1.0) * (t - 1.0) ** 3 + overshoot * (t - 1.0) ** 2


def _swinging(t: FloatArray) -> FloatArray:
    wave = 1.0 + 2.0 ** (-10.0 * t) * np.sin((10.0 * t - 0.75) * 2.0 * np.pi / 3.0)
    return np.where(t <= 0.0, 0.0, np.where(t >= 1.0, 1.0, wave))


FORMULAS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "linear": lambda t: t,
    "smooth": lambda t: t * t * (3.0 - 2.0 * t),
    "in": lambda t: t**3,
    "out": lambda t: 1.0 - (1.0 - t) ** 3,
    "in-out": lambda t: np.where(t < 0.5, 4.0 * t**3, 1.0 - 4.0 * (1.0 - t) ** 3),
    "back": _overshooting,
    "elastic": _swinging,
    "bounce": _bounced,
}


def eased(name: str, t: FloatArray) -> FloatArray:
    """The share of the motion that is done at times t from 0 to 1; some go beyond 1 on the way."""
    return FORMULAS[name](np.clip(t, 0.0, 1.0))
