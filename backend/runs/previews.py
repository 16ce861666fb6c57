"""Pictures that are shown while a job runs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

PREVIEW_SIZE = 1024
"""Greatest side of a preview, px: it is shown in a panel, and written while the fit waits."""


def small(picture: Tensor) -> Tensor:
    """Returns a picture [3, H, W] or straight [4, H, W], no larger than a preview."""
    if len(picture) == 3:
        return shrunk(picture)
    premultiplied = shrunk(torch.cat([picture[:3] * picture[3:], picture[3:]]))
    return torch.cat([premultiplied[:3] / premultiplied[3:].clamp_min(1e-6), premultiplied[3:]])


def shrunk(image: Tensor) -> Tensor:
    """Returns an image [C, H, W], no larger than a preview."""
    height, width = image.shape[1:]
    factor = PREVIEW_SIZE / max(height, width)
    if factor >= 1.0:
        return image
    return interpolate(image[None], (max(1, round(height * factor)), max(1, round(width * factor))), mode="area")[0]
