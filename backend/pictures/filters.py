"""Filters of planes [H, W]."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad


def gaussian(plane: Tensor, sigma: float) -> Tensor:
    """Blurred by a Gaussian of this standard deviation, px; beyond its edges the plane is continued by them: [H, W]."""
    reach = math.ceil(3.0 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=plane.dtype)
    bell = (-0.5 * (offsets / sigma) ** 2).exp()
    shares = (bell / bell.sum()).tolist()
    height, width = plane.shape
    # Sums of shifted views: a convolution of one channel is several times slower.
    wide = pad(plane[None, None], (reach, reach, 0, 0), mode="replicate")[0, 0]
    rows = _weighted_sum([wide[:, shift : shift + width] for shift in range(len(shares))], shares)
    tall = pad(rows[None, None], (0, 0, reach, reach), mode="replicate")[0, 0]
    return _weighted_sum([tall[shift : shift + height] for shift in range(len(shares))], shares)


def _weighted_sum(views: list[Tensor], shares: list[float]) -> Tensor:
    result = views[0] * shares[0]
    for view, share in zip(views[1:], shares[1:], strict=True):
        result.add_(view, alpha=share)
    return result


def shrunk(planes: Tensor, factor: int) -> Tensor:
    """Area means of planes [C, H, W] over factor x factor px, fewer at the far edges."""
    return planes if factor == 1 else avg_pool2d(planes[None], factor, ceil_mode=True)[0]
