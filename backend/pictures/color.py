"""The sRGB transfer function (IEC 61966-2-1) between display-encoded values and linear light."""

from __future__ import annotations

import torch
from torch import Tensor


def decode(encoded: Tensor) -> Tensor:
    """Converts display-encoded values to linear light."""
    return torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def encode(light: Tensor) -> Tensor:
    """Converts linear light to display-encoded values."""
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


def composited(color: Tensor, alpha: Tensor, background: Tensor, space: str) -> Tensor:
    """Composites a straight picture [3, H, W] with alpha [H, W] over a background [3], all display-encoded."""
    behind = background.reshape(3, 1, 1)
    if space == "linear":
        return encode(decode(color) * alpha + decode(behind) * (1.0 - alpha))
    return color * alpha + behind * (1.0 - alpha)


DECODE_STEPS = 4
"""Entries of the decoding table per 8-bit step: linear interpolation is off by 3e-7 of white at most."""


def decode_table() -> Tensor:
    """The linear light of texel values 0, 1/4, 2/4 ... 255, and one more for interpolation: [1022] float32."""
    values = torch.arange(255 * DECODE_STEPS + 2, dtype=torch.float64) / (255 * DECODE_STEPS)
    return decode(values).float()
