"""The sRGB transfer function (IEC 61966-2-1) on numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def encode(light: ArrayLike) -> NDArray[Any]:
    """Encodes light for the display; values outside [0, 1] are clipped."""
    values = np.clip(light, 0.0, 1.0)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * np.maximum(values, 0.0031308) ** (1 / 2.4) - 0.055)


def decode(encoded: ArrayLike) -> NDArray[Any]:
    """Decodes display-encoded values in [0, 1] to light."""
    values = np.asarray(encoded)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_space(encoded: ArrayLike, space: str) -> NDArray[Any]:
    """Converts display-encoded values to those that a layout's space composites."""
    return decode(encoded) if space == "linear" else np.asarray(encoded)
