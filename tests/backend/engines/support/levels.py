"""Mip levels for tests of the engines in tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from backend.templates import Templates


def choose_levels(templates: Templates, template: Tensor, scale: Tensor, aspect: Tensor, bias: float = 1.0) -> Tensor:
    """See Templates.choose_levels: [N, 2] int64."""
    return torch.from_numpy(templates.choose_levels(template.numpy(), scale.numpy(), aspect.numpy(), bias))
