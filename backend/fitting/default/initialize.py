"""The start of a fit: dense, small primitives where the target is busy.

Density follows local contrast. Centers are drawn from it in strata along a Hilbert curve, so that they neither clump
nor leave holes. Scales are such that stamps of this density cover the canvas a given number of times. Small ones lie in
front. Colors are local means.
"""

from __future__ import annotations

import math
from ctypes import c_int64
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...job import Layout, Settings
from ...native.arrays import FloatArray, IntArray
from ...native.calls import LONGS, function
from ...native.elementary import power
from ...pictures.filters import box_mean, shrunk
from ...templates import Templates
from ..constraints.limits import StampLimits
from ..constraints.usage import assign, check_usage
from ..goal import Goal
from ..primitives import Primitives
from ..random import Random
from ..recipe import Recipe
from .choice import Choice

DoubleArray = NDArray[np.float64]

LARGEST_RASTER = 2048
FINEST_SPACING = 16.0
"""Limits of the raster of the density: its longer side, and its pixels per mean spacing."""


def first_primitives(
    goal: Goal, choice: Choice, settings: Settings, recipe: Recipe, start: Layout | None, random: Random
) -> Primitives:
    """Returns the primitives that a fit begins with: new ones, or those of a layout behind settings.added new ones.

    Raises UserError for a layout that does not match the templates.
    """
    templates, capacity = choice.templates, choice.capacities
    old, count = None, settings.count
    if start is not None:
        old, count = Primitives.from_layout(start, templates, *goal.target.shape[1:]), settings.added
        check_usage(old.template, templates)
        if count == 0:
            return old
        capacity = np.maximum(capacity - np.bincount(old.template, minlength=len(templates)), 0)
    new = initialize(goal, templates, assign(capacity, count, random), choice.limits, recipe, random)
    if old is None:
        return new
    # Invisible until the first relocation, when they go where they help most.
    new.params[:, 5] = 0.0
    return new.before(old)


def initialize(
    goal: Goal,
    templates: Templates,
    template: IntArray,  # [N] that of each primitive, in any order
    limits: StampLimits,
    recipe: Recipe,
    random: Random,
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

    index = stratified_sample(density, count, random)
    rows, columns = np.divmod(index, density.shape[1])
    # Primitives per px^2 * px^2 covered by a stamp of scale 1 * scale^2 = cover.
    per_area = density.ravel()[index] * (count / shrink**2)
    scale = np.sqrt(recipe.cover / (4.0 * templates.coverage[template] * per_area)).astype(np.float32)
    scale = scale.clip(recipe.least_scale, max(recipe.least_scale, height, width))

    params = np.empty((count, 9), np.float32)
    jitter = random.uniform(2, count)
    params[:, 0] = np.minimum((columns + jitter[0]) * shrink, width)
    params[:, 1] = np.minimum((rows + jitter[1]) * shrink, height)
    params[:, 2] = scale
    params[:, 3] = 1.0
    params[:, 4] = limits.random_rotation(template, random)
    params[:, 5] = recipe.start_opacity
    params[:, 6:] = 0.0
    params = limits.bounds(template).clamp(params)
    params[:, 6:] = _local_means(raster, rows, columns, scale / np.float32(shrink))
    order = np.argsort(scale, kind="stable")
    primitives = Primitives.new(params[order], template[order])
    return replace(primitives, mirror=limits.random_mirror(primitives.template, random))


def contrast_density(image: FloatArray, count: int, recipe: Recipe) -> DoubleArray:
    """Returns the wanted density of primitives: [H, W], not normalized, greater than 0 everywhere."""
    height, width = image.shape[1:]
    spacing = math.sqrt(height * width / count)
    window = 2 * round(recipe.contrast_window * spacing / 2) + 1
    window = max(window, 3)
    mean, mean_square = box_mean(image, window), box_mean(np.square(image), window)
    deviation = np.sqrt(np.maximum(mean_square - np.square(mean), np.float32(0.0)).sum(0))
    deviation = _blurred(deviation, recipe.density_blur * spacing) - np.float32(recipe.contrast_floor)
    density = power(np.maximum(deviation, np.float32(0.0)), recipe.contrast_exponent).astype(np.float64)
    mean_density = float(density.mean())
    return density + (recipe.even_share * mean_density if mean_density > 0 else 1.0)


def stratified_sample(density: DoubleArray, count: int, random: Random) -> IntArray:
    """Draws `count` pixels of density [H, W] (sum 1), one per stratum of equal mass along a Hilbert curve.

    Returns flat indices [count], in the order of the curve.
    """
    height, width = density.shape
    order = hilbert_order(height, width)
    cumulative = np.cumsum(density.ravel()[order])
    strata = (np.arange(count) + random.uniform64(count)) / count
    chosen = np.searchsorted(cumulative, strata * cumulative[-1], side="right")
    return order[np.minimum(chosen, height * width - 1)]


def hilbert_order(height: int, width: int) -> IntArray:
    """Returns flat pixel indices of a raster [H, W] in the order of a Hilbert curve over its square: [H * W]."""
    order = np.empty(height * width, np.int64)
    function("diffbmp_hilbert_order", LONGS, c_int64, c_int64)(order, height, width)
    return order


def _normalized(density: DoubleArray) -> DoubleArray:
    """Scales a density to a sum of 1; an even one if it is 0 everywhere."""
    total = density.sum()
    return density / total if total > 0 else np.full_like(density, 1.0 / density.size)


def _local_means(image: FloatArray, rows: IntArray, columns: IntArray, radius: FloatArray) -> FloatArray:
    """Returns the mean color around each pixel, over a square about `radius` px wide: [N, 3]."""
    result = np.empty((len(rows), 3), np.float32)
    last = max(image.shape[1:]).bit_length() - 1
    # The nearest power of two: the ends between them are at half octaves.
    octave = np.searchsorted([math.sqrt(0.5) * 2.0**level for level in range(1, last + 1)], radius, side="right")
    for level in range(last + 1):
        chosen = octave == level
        result[chosen] = image[:, rows[chosen] >> level, columns[chosen] >> level].T
        image = shrunk(image, 2)
    return result


def _blurred(image: FloatArray, sigma: float) -> FloatArray:
    """Blurs an image [H, W] nearly by a Gaussian: by three box means with this variance in total."""
    side = 2 * round(math.sqrt(4.0 * sigma**2 + 1.0) / 2 - 0.5) + 1
    for _ in range(3):
        image = box_mean(image[None], side)[0]
    return image
