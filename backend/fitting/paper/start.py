"""The start of the recipe `paper`: more and smaller primitives where the target is busy, the small ones in front.

Lengths are published in px, for pictures 512 px wide. Here they grow with the canvas, so that a larger one gets the
same picture, finer, and not a patchwork of stamps that are too small to cover it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ...native.arrays import FloatArray
from ...pictures.filters import box_mean
from ...templates import Templates
from ..primitives import Primitives

UNIT_CANVAS = 512.0
"""Longer side of the canvas, px, at which the lengths below are in px."""
LEAST_SCALE = 2.0
LARGEST_START = 50.0
WINDOW_RADIUS = 3.0  # of the local variance: 7 x 7 px
SCALE_NOISE = 0.1  # standard deviation, relative to the range of scales
COLOR_NOISE = 0.02
EVEN_SHARE = 0.1  # of the greatest density, added everywhere
OPACITY_LOGIT = -2.0


def unit_length(height: int, width: int) -> float:
    """Returns the length of a published pixel, px."""
    return max(height, width) / UNIT_CANVAS


def least_scale(height: int, width: int) -> float:
    """Returns the least scale, px: at least a pixel, so that a stamp is visible."""
    return max(1.0, LEAST_SCALE * unit_length(height, width))


def largest_scale(height: int, width: int) -> float:
    """Returns the greatest scale, px."""
    return max(least_scale(height, width), float(min(height, width) // 4))


class PaperStart:
    """Draws places from a target, and makes primitives there; later, smaller ones to replace them."""

    def __init__(
        self,
        target: FloatArray,  # [3, H, W] display-encoded
        count: int,
        generator: torch.Generator,
        weight: FloatArray | None = None,  # [H, W] from 0 = nothing is placed to 1
    ) -> None:
        self._height, self._width = target.shape[1:]
        self._generator = generator
        seen = target if weight is None else np.where(weight > 0, target, np.float32(1.0))
        variance = torch.from_numpy(local_variance(seen, unit_length(self._height, self._width)).ravel())
        share = torch.ones_like(variance) if weight is None else torch.from_numpy(weight.ravel())
        index = sample((EVEN_SHARE + (1.0 - EVEN_SHARE) * variance * share) * share, count, generator)
        variance, order = variance[index].sort(descending=True, stable=True)
        index = index[order]
        self._variance = variance
        self._color = torch.from_numpy(seen.reshape(3, -1)[:, index.numpy()].T)
        self._x, self._y = index % self._width + 0.5, index // self._width + 0.5

    def primitives(self, templates: Templates) -> Primitives:
        """Makes primitives at all places, the most detailed one in front; templates alternate from the back."""
        count = len(self._variance)
        template = np.arange(count)[::-1] % len(templates)
        return Primitives.new(self._params(torch.arange(count), self._largest()).numpy(), template)

    def again(self, count: int, halvings: int) -> Tensor:
        """Makes new params [count, 9] at random places, smaller by this number of octaves, on the CPU."""
        places = torch.randint(len(self._variance), (count,), generator=self._generator)
        return self._params(places, self._largest() * 0.5**halvings)

    def _largest(self) -> float:
        start = LARGEST_START * unit_length(self._height, self._width)
        return min(start, largest_scale(self._height, self._width))

    def _params(self, places: Tensor, largest: float) -> Tensor:
        least, count = least_scale(self._height, self._width), len(places)
        span = max(0.0, largest - least)
        noise = torch.randn(count, generator=self._generator) * (SCALE_NOISE * span)
        color = self._color[places] + torch.randn(count, 3, generator=self._generator) * COLOR_NOISE
        params = torch.empty(count, 9)
        params[:, 0], params[:, 1] = self._x[places], self._y[places]
        params[:, 2] = (least + span * (1.0 - self._variance[places]) + noise).clamp(least, least + span)
        params[:, 3] = 1.0
        params[:, 4] = torch.rand(count, generator=self._generator) * (2.0 * math.pi)
        params[:, 5] = torch.tensor(OPACITY_LOGIT).sigmoid()
        # As published: the color is used as its logit, so that all start between 0.50 and 0.73.
        params[:, 6:] = color.clamp(0.0, 1.0).sigmoid()
        return params


def local_variance(
    image: FloatArray,  # [3, H, W]
    unit: float,  # px
) -> FloatArray:
    """Returns the variance around each pixel, summed over channels, relative to the greatest: [H, W] in [0, 1]."""
    side = 2 * max(1, round(WINDOW_RADIUS * unit)) + 1
    mean, mean_square = box_mean(image, side), box_mean(np.square(image), side)
    variance = np.maximum(mean_square - np.square(mean), np.float32(0.0)).sum(0)
    return variance / np.maximum(variance.max(), np.float32(1e-12))


def sample(density: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draws indices [count] from a density [P], not normalized; none twice before all are drawn."""
    possible = density.nonzero()[:, 0]
    rounds, rest = divmod(count, len(possible))
    # The least random waiting times: a draw without replacement from any number of pixels.
    waiting = torch.empty(len(possible)).exponential_(generator=generator) / density[possible]
    drawn = possible[waiting.topk(rest, largest=False).indices]
    return torch.cat([possible.repeat(rounds), drawn])
