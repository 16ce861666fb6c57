"""Filters of planes [..., H, W]."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad


def bell(sigma: float, reach: int, dtype: torch.dtype = torch.float64) -> list[float]:
    """The weights of a Gaussian of this standard deviation from -reach to reach px; their sum is 1.

    dtype: the precision of the computation.
    """
    offsets = torch.arange(-reach, reach + 1, dtype=dtype)
    values = (-0.5 * (offsets / sigma) ** 2).exp()
    return (values / values.sum()).tolist()


def window_sums(planes: Tensor, weights: list[float], axes: Sequence[int] = (-2, -1)) -> Tensor:
    """Sums with weights over the windows that lie inside the planes, along each axis in turn.

    Each axis becomes shorter by len(weights) - 1.
    """
    # Sums of shifted views: a convolution of few channels takes several times as long.
    for axis in axes:
        size = planes.shape[axis] - len(weights) + 1
        total = planes.narrow(axis, 0, size) * weights[0]
        for shift, weight in enumerate(weights[1:], 1):
            total.add_(planes.narrow(axis, shift, size), alpha=weight)
        planes = total
    return planes


def gaussian(plane: Tensor, sigma: float) -> Tensor:
    """Blurs a plane [H, W] with a Gaussian of this standard deviation, px; edges are extended."""
    reach = math.ceil(3.0 * sigma)
    wide = pad(plane[None, None], (reach,) * 4, mode="replicate")[0, 0]
    return window_sums(wide, bell(sigma, reach, plane.dtype), (-1, -2))


def box_mean(planes: Tensor, side: int) -> Tensor:
    """The mean of planes [C, H, W] over a square of odd side around each pixel, as far as it lies inside."""
    half = side // 2
    # Rows, then columns: two short sums instead of a long one.
    across = avg_pool2d(planes[None], (1, side), 1, (0, half), count_include_pad=False)
    return avg_pool2d(across, (side, 1), 1, (half, 0), count_include_pad=False)[0]


def shrunk(planes: Tensor, factor: int) -> Tensor:
    """Shrinks planes [C, H, W] to the means of factor x factor px, fewer at the far edges."""
    return planes if factor == 1 else avg_pool2d(planes[None], factor, ceil_mode=True)[0]
