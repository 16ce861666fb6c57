"""Palettes: the only colors that primitives may have, given or taken from the target.

Palettes are taken from a target by k-means in OKLab, where distances are perceptual, so that a small vivid area is not
lost to shades of a large dull one. After that, colors are compared display-encoded, as errors are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...job import Settings
from ...pictures.color import decode

MAX_SAMPLES = 2**20
"""Greatest number of pixels from which a palette is taken."""
BINS = 64
"""Steps per channel of the histogram of the target's colors."""

_ROUNDS = 30
_CHUNK = 2**22  # pairs of colors compared at once

# OKLab (Björn Ottosson, 2020): light to cone responses, and their cube roots to lightness and two opponent colors.
_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_OPPONENTS = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def palette_of(settings: Settings, target: Tensor, weight: Tensor | None, generator: torch.Generator) -> Tensor | None:
    """Returns the palette of the settings: [P, 3] display-encoded, each color once. None = any color.

    target [3, H, W], weight [H, W] as for fitting.fit.
    """
    if settings.palette:
        return torch.tensor(list(dict.fromkeys(settings.palette)))
    if settings.palette_size:
        return extract(target, weight, settings.palette_size, generator)
    return None


def extract(target: Tensor, weight: Tensor | None, size: int, generator: torch.Generator) -> Tensor:
    """Extracts at most `size` colors from a target: [P, 3] display-encoded in 8-bit steps, dark to light.

    target [3, H, W] display-encoded; weight [H, W] of each pixel. A target with fewer colors gives fewer.
    """
    colors, mass = _histogram(target, weight, generator)
    points = oklab(colors)
    centers = _seeds(points, mass, size, generator)
    owner = nearest(points, centers)
    for _ in range(_ROUNDS):
        centers = _means(points, mass, owner, centers)
        before, owner = owner, nearest(points, centers)
        if torch.equal(before, owner):
            break
    # The mean of display-encoded colors has the least error.
    used = torch.bincount(owner, mass, minlength=len(centers)) > 0
    means = _means(colors, mass, owner, torch.zeros(len(centers), 3))[used]
    palette = ((means * 255.0).round() / 255.0).unique(dim=0)
    return palette[oklab(palette)[:, 0].argsort(stable=True)]


def nearest(colors: Tensor, palette: Tensor) -> Tensor:
    """Returns the index of the palette's color [P, 3] that is nearest to each of colors [N, 3]: [N]."""
    return best_of_palette(colors, torch.ones_like(colors), palette)


def best_of_palette(numerator: Tensor, denominator: Tensor, palette: Tensor) -> Tensor:
    """Returns the index of the palette's color c [P, 3] with the least sum over channels of A c^2 - 2 S c: [M].

    numerator: S [M, 3], denominator: A [M, 3] >= 0; without a palette, c = S / A is the least.
    """
    square, double = palette.square().T.contiguous(), (2.0 * palette).T.contiguous()
    rows = max(1, _CHUNK // len(palette))
    parts = [
        (a @ square - s @ double).argmin(1) for s, a in zip(numerator.split(rows), denominator.split(rows), strict=True)
    ]
    return torch.cat(parts)


def oklab(colors: Tensor) -> Tensor:
    """Converts display-encoded colors [N, 3] to OKLab [N, 3]: lightness from 0 to 1, green to red, blue to yellow."""
    cones = decode(colors) @ torch.tensor(_CONES).T
    return cones.clamp_min(0.0) ** (1.0 / 3.0) @ torch.tensor(_OPPONENTS).T


def _histogram(target: Tensor, weight: Tensor | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Returns the mean color of each occupied bin, and its weight: [M, 3], [M] float64."""
    pixels = target.reshape(3, -1)
    weights = torch.ones(pixels.shape[1]) if weight is None else weight.flatten()
    pixels, weights = pixels[:, weights > 0].clamp(0.0, 1.0), weights[weights > 0].double()
    if pixels.shape[1] > MAX_SAMPLES:
        chosen = torch.randint(pixels.shape[1], (MAX_SAMPLES,), generator=generator)
        pixels, weights = pixels[:, chosen], weights[chosen]
    steps = (pixels * (BINS - 1)).round().long()
    bins, index = ((steps[0] * BINS + steps[1]) * BINS + steps[2]).unique(return_inverse=True)
    mass = torch.bincount(index, weights, minlength=len(bins))
    colors = torch.stack([torch.bincount(index, weights * plane, minlength=len(bins)) / mass for plane in pixels], 1)
    return colors.float(), mass


def _seeds(points: Tensor, mass: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Draws the starting points of k-means, each by its squared distance to the previous ones (k-means++)."""
    chosen = []
    distance = torch.ones(len(points), dtype=torch.float64)
    for _ in range(min(size, len(points))):
        cumulative = (mass * distance).cumsum(0)
        if cumulative[-1] <= 0:
            break
        draw = torch.rand((), generator=generator, dtype=torch.float64) * cumulative[-1]
        index = int(torch.searchsorted(cumulative, draw, right=True).clamp_max(len(points) - 1))
        chosen.append(index)
        apart = (points - points[index]).square().sum(1).double()
        distance = apart if len(chosen) == 1 else torch.minimum(distance, apart)
    return points[chosen]


def _means(points: Tensor, mass: Tensor, owner: Tensor, centers: Tensor) -> Tensor:
    """Returns the mean of the points that each center owns; a center without points stays."""
    total = torch.bincount(owner, mass, minlength=len(centers))
    sums = [torch.bincount(owner, mass * points[:, i], minlength=len(centers)) for i in range(points.shape[1])]
    means = torch.stack(sums, 1) / total.clamp_min(1e-300)[:, None]
    return torch.where(total[:, None] > 0, means.float(), centers)
