"""Directions of the target's edges and of the stamps' longer axes."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ...pictures.filters import gaussian
from ...templates import ByteArray, Templates

_FAINT = 1e-5
"""Squared slope per px^2 that counts as flat: the noise of 8-bit pictures has no direction."""


class Edges:
    """The direction of a target's edges, from its structure tensor (Bigun and Granlund, 1987).

    angle [H, W]: along the edge in either direction, radians, clockwise from the x axis.
    coherence [H, W]: from 0 (no direction) to 1 (a single direction).
    """

    def __init__(self, target: Tensor, sigma: float) -> None:
        """Measures the edges of a target [3, H, W]. sigma: of the neighborhood, px."""
        gray = gaussian(target.mean(0), 1.0)
        down, right = _slopes(gray.T).T, _slopes(gray)
        xx, xy, yy = (gaussian(product, sigma) for product in (right * right, right * down, down * down))
        self.coherence = ((xx - yy).square() + 4.0 * xy.square()).sqrt() / (xx + yy + _FAINT)
        self.angle = 0.5 * torch.atan2(2.0 * xy, xx - yy) + 0.5 * math.pi


def long_axes(templates: Templates) -> Tensor:
    """Returns the direction of each stamp's longer axis by the second moments of alpha: [T] radians from its u axis."""
    return torch.tensor([_long_axis(item.rgba) for item in templates.items])


def _slopes(plane: Tensor) -> Tensor:
    """Returns the central differences along the rows of a plane [H, W]; 0 at the ends."""
    result = torch.zeros_like(plane)
    result[:, 1:-1] = 0.5 * (plane[:, 2:] - plane[:, :-2])
    return result


def _long_axis(rgba: ByteArray) -> float:
    alpha = rgba[..., 3].astype(np.float64)
    rows, columns = np.indices(alpha.shape, sparse=True)
    total = alpha.sum()
    v, u = rows - (alpha * rows).sum() / total, columns - (alpha * columns).sum() / total
    uu, uv, vv = (float((alpha * product).sum()) for product in (u * u, u * v, v * v))
    # Nearly round: any direction is equally good, so take the one without rounding.
    if math.hypot(uu - vv, 2.0 * uv) < 0.01 * (uu + vv):
        return 0.0
    return 0.5 * math.atan2(2.0 * uv, uu - vv)
