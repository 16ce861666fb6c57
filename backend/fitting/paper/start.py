"""The start of the recipe `paper`: primitives where the target is busy, small ones there and in front.

Lengths are published in px, of pictures 512 px wide. Here they grow with the canvas, so that a larger one gets the same
picture, finer, and not a patchwork of stamps that are too small to cover it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...pictures.filters import box_mean
from ...templates import Templates
from ..primitives import Primitives

UNIT_CANVAS = 512.0
"""Longer side of the canvas, px, whose pixel is the unit of the lengths below."""
LEAST_SCALE = 2.0
LARGEST_START = 50.0
WINDOW_RADIUS = 3.0  # of the local variance: 7 x 7 px
SCALE_NOISE = 0.1  # standard deviation, of the range of scales
COLOR_NOISE = 0.02
EVEN_SHARE = 0.1  # of the greatest density, everywhere
OPACITY_LOGIT = -2.0


def unit_length(height: int, width: int) -> float:
    """The length that is published as a pixel, px."""
    return max(height, width) / UNIT_CANVAS


def least_scale(height: int, width: int) -> float:
    """The least scale, px: a pixel at least, or there is nothing to see of a stamp."""
    return max(1.0, LEAST_SCALE * unit_length(height, width))


def largest_scale(height: int, width: int) -> float:
    """The greatest scale, px."""
    return max(least_scale(height, width), float(min(height, width) // 4))


class PaperStart:
    """Places drawn from a target, and primitives made for them; later, smaller ones to replace them."""

    def __init__(
        self,
        target: Tensor,  # [3, H, W] display-encoded
        count: int,
        generator: torch.Generator,
        weight: Tensor | None = None,  # [H, W] from 0 = nothing is placed to 1
    ) -> None:
        self._height, self._width = target.shape[1:]
        self._generator = generator
        seen = target if weight is None else torch.where(weight > 0, target, 1.0)
        variance = local_variance(seen, unit_length(self._height, self._width)).flatten()
        share = torch.ones_like(variance) if weight is None else weight.flatten()
        index = sample((EVEN_SHARE + (1.0 - EVEN_SHARE) * variance * share) * share, count, generator)
        variance, order = variance[index].sort(descending=True, stable=True)
        index = index[order]
        self._variance = variance
        self._color = seen.flatten(1)[:, index].T
        self._x, self._y = index % self._width + 0.5, index // self._width + 0.5

    def primitives(self, templates: Templates) -> Primitives:
        """Primitives at all places, the most detailed one in front; the templates take turns, from the back on."""
        count = len(self._variance)
        template = torch.arange(count).flip(0) % len(templates)
        return Primitives.new(self._params(torch.arange(count), self._largest()), template)

    def again(self, count: int, halvings: int) -> Tensor:
        """New params [count, 9], on the CPU: at any of the places, by so many octaves smaller."""
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
        # As published: the color is taken for its logit, so that all start between 0.50 and 0.73.
        params[:, 6:] = color.clamp(0.0, 1.0).sigmoid()
        return params


def local_variance(
    image: Tensor,  # [3, H, W]
    unit: float,  # px
) -> Tensor:
    """The variance of the pixels around each, summed over the channels, relative to the greatest: [H, W] in [0, 1]."""
    side = 2 * max(1, round(WINDOW_RADIUS * unit)) + 1
    mean, mean_square = box_mean(image, side), box_mean(image.square(), side)
    variance = (mean_square - mean.square()).clamp_min(0.0).sum(0)
    return variance / variance.max().clamp_min(1e-12)


def sample(density: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draws from density [P], which need not be normalized: indices [count]. None twice before all were drawn."""
    possible = density.nonzero()[:, 0]
    rounds, rest = divmod(count, len(possible))
    # Those whose random time of waiting ends first: a draw without replacement, of any number of pixels.
    waiting = torch.empty(len(possible)).exponential_(generator=generator) / density[possible]
    drawn = possible[waiting.topk(rest, largest=False).indices]
    return torch.cat([possible.repeat(rounds), drawn])
