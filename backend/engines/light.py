"""The sRGB transfer function of backend.pictures.color for PyTorch, differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

from ..pictures import color


def decode(encoded: Tensor) -> Tensor:
    """Converts display-encoded values to linear light."""
    return torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def encode(light: Tensor) -> Tensor:
    """Converts linear light to display-encoded values."""
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


def decode_table() -> Tensor:
    """The linear light of texel values 0, 1/4, 2/4 ... 255, and one more for interpolation: [1022] float32."""
    values = torch.arange(255 * color.DECODE_STEPS + 2, dtype=torch.float64) / (255 * color.DECODE_STEPS)
    return decode(values).float()
