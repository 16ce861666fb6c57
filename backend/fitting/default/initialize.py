"""The start of a fit: dense, small primitives where the target is busy.

Density follows local contrast. Centers are drawn from it in strata along a Hilbert curve, so that they neither clump
nor leave holes. Scales are such that stamps of this density cover the canvas a given number of times. Small ones lie in
front. Colors are local means.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...job import Layout, Settings
from ...pictures.filters import box_mean, shrunk
from ...templates import Templates
from ..constraints.limits import StampLimits
from ..constraints.usage import assign, check_usage
from ..goal import Goal
from ..primitives import Primitives
from ..recipe import Recipe
from .relocation import Choice

LARGEST_RASTER = 2048
FINEST_SPACING = 16.0
"""Limits of the raster of the density: its longer side, and its pixels per mean spacing."""


def first_primitives(
    goal: Goal, choice: Choice, settings: Settings, recipe: Recipe, start: Layout | None, generator: torch.Generator
) -> Primitives:
    """Returns the primitives that a fit begins with: new ones, or those of a layout behind settings.added new ones.

    All tensors are on the CPU. Raises UserError for a layout that does not match the templates.
    """
    templates, capacity = choice.templates, choice.capacities
    old, count = None, settings.count
    if start is not None:
        old, count = Primitives.from_layout(start, templates, *goal.target.shape[1:]), settings.added
        check_usage(old.template, templates)
        if count == 0:
            return old
        capacity = (capacity - old.template.bincount(minlength=len(templates))).clamp_min(0)
    new = initialize(goal, templates, assign(capacity, count, generator), choice.limits, recipe, generator)
    if old is None:
        return new
    # Invisible until the first relocation, when they go where they help most.
    new.params[:, 5] = 0.0
    return new.before(old)


def initialize(
    goal: Goal,
    templates: Templates,
    template: Tensor,  # [N] that of each primitive, in any order
    limits: StampLimits,
    recipe: Recipe,
    generator: torch.Generator,
) -> Primitives:
    """Makes new primitives of these templates, the small ones in front."""
    count = len(template)
    height, width = goal.target.shape[1:]
    shrink = math.ceil(max(height, width) / min(LARGEST_RASTER, FINEST_SPACING * math.sqrt(count)))
    raster = shrunk(goal.target, shrink)
    density = contrast_density(raster, count, recipe)
    for plane in (goal.seen, goal.importance):
        if plane is not None:
            density = density * shrunk(plane[None], shrink)[0]
    density = _normalized(density)

    index = stratified_sample(density, count, generator)
    rows, columns = index // density.shape[1], index % density.shape[1]
    # Primitives per px^2 * px^2 covered by a stamp of scale 1 * scale^2 = cover.
    per_area = density.flatten()[index] * (count / shrink**2)
    scale = (recipe.cover / (4.0 * templates.coverage[template] * per_area)).sqrt().float()
    scale = scale.clamp(recipe.least_scale, max(recipe.least_scale, height, width))

    params = torch.empty(count, 9)
    jitter = torch.rand(2, count, generator=generator)
    params[:, 0] = ((columns + jitter[0]) * shrink).clamp(max=width)
    params[:, 1] = ((rows + jitter[1]) * shrink).clamp(max=height)
    params[:, 2] = scale
    params[:, 3] = 1.0
    params[:, 4] = limits.random_rotation(template, generator)
    params[:, 5] = recipe.start_opacity
    params = limits.bounds(template).clamp(params)
    params[:, 6:] = _local_means(raster, rows, columns, scale / shrink)
    order = scale.sort(stable=True).indices
    primitives = Primitives.new(params[order], template[order])
    return replace(primitives, mirror=limits.random_mirror(primitives.template, generator))


def contrast_density(image: Tensor, count: int, recipe: Recipe) -> Tensor:
    """Returns the wanted density of primitives: [H, W] float64, not normalized, greater than 0 everywhere."""
    height, width = image.shape[1:]
    spacing = math.sqrt(height * width / count)
    window = 2 * round(recipe.contrast_window * spacing / 2) + 1
    window = max(window, 3)
    mean, mean_square = box_mean(image, window), box_mean(image.square(), window)
    deviation = (mean_square - mean.square()).clamp_min(0.0).sum(0).sqrt()
    deviation = _blurred(deviation, recipe.density_blur * spacing).double() - recipe.contrast_floor
    density = deviation.clamp_min(0.0) ** recipe.contrast_exponent
    mean_density = density.mean()
    return density + (recipe.even_share * mean_density if mean_density > 0 else 1.0)


def stratified_sample(density: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draws `count` pixels of density [H, W] (float64, sum 1), one per stratum of equal mass along a Hilbert curve.

    Returns flat indices [count], in the order of the curve.
    """
    height, width = density.shape
    order = hilbert_order(height, width)
    cumulative = density.flatten()[order].cumsum(0)
    strata = (torch.arange(count) + torch.rand(count, generator=generator, dtype=torch.float64)) / count
    chosen = torch.searchsorted(cumulative, strata * cumulative[-1], right=True)
    return order[chosen.clamp_max(height * width - 1)]


def hilbert_order(height: int, width: int) -> Tensor:
    """Returns flat pixel indices of a raster [H, W] in the order of a Hilbert curve over its square: [H * W]."""
    bits = max(1, (max(height, width) - 1).bit_length())
    x = torch.arange(width, dtype=torch.int32).repeat(height)
    y = torch.arange(height, dtype=torch.int32).repeat_interleave(width)
    distance = torch.zeros(height * width, dtype=torch.int64)
    for bit in range(bits - 1, -1, -1):
        right, low = (x >> bit) & 1, (y >> bit) & 1
        distance = (distance << 2) | ((3 * right) ^ low)
        # Turn and mirror the quadrant so that its curve starts where the last one ended.
        flip = (low == 0) & (right == 1)
        rest = (1 << bit) - 1
        x, y = torch.where(flip, rest - (x & rest), x & rest), torch.where(flip, rest - (y & rest), y & rest)
        x, y = torch.where(low == 0, y, x), torch.where(low == 0, x, y)
    return distance.argsort()


def _normalized(density: Tensor) -> Tensor:
    """Scales a density to a sum of 1; an even one if it is 0 everywhere."""
    total = density.sum()
    return density / total if total > 0 else torch.full_like(density, 1.0 / density.numel())


def _local_means(image: Tensor, rows: Tensor, columns: Tensor, radius: Tensor) -> Tensor:
    """Returns the mean color around each pixel, over a square about `radius` px wide: [N, 3]."""
    result = torch.empty(len(rows), 3)
    octave = radius.clamp_min(1.0).log2().round().long()
    last = max(image.shape[1:]).bit_length() - 1
    for level in range(last + 1):
        chosen = (octave == level) if level < last else (octave >= level)
        result[chosen] = image[:, rows[chosen] >> level, columns[chosen] >> level].T
        image = F.avg_pool2d(image[None], 2, ceil_mode=True)[0]
    return result


def _blurred(image: Tensor, sigma: float) -> Tensor:
    """Blurs an image [H, W] nearly by a Gaussian: by three box means with this variance in total."""
    side = 2 * round(math.sqrt(4.0 * sigma**2 + 1.0) / 2 - 0.5) + 1
    for _ in range(3):
        image = box_mean(image[None], side)[0]
    return image
