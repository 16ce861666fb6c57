"""The start of a fit: where primitives lie, how large they are, and that any input has one."""

from __future__ import annotations

import numpy as np
import pytest

from backend.fitting.constraints.limits import StampLimits
from backend.fitting.default.initialize import contrast_density, hilbert_order, initialize, stratified_sample
from backend.fitting.goal import Goal
from backend.fitting.primitives import Primitives
from backend.fitting.random import Random
from backend.fitting.recipe import Recipe
from backend.native.arrays import FloatArray
from backend.templates import Template, Templates

RECIPE = Recipe()


def square(alpha: int = 255, width: int = 16, height: int = 16) -> Template:
    return Template("square", np.full((height, width, 4), (0, 0, 0, alpha), np.uint8))


def start(
    target: FloatArray, count: int, weight: FloatArray | None = None, seed: int = 0, *stamps: Template
) -> Primitives:
    templates = Templates(list(stamps) or [square()])
    limits = StampLimits(templates, target.shape[1], target.shape[2], RECIPE.least_scale)
    template = np.arange(count) % len(templates)
    return initialize(Goal(target, weight), templates, template, limits, RECIPE, Random(seed))


def half_busy(size: int = 128) -> FloatArray:
    """Gray on the left, a fine chequerboard on the right."""
    rows, columns = np.mgrid[:size, :size]
    busy = (rows // 4 + columns // 4) % 2
    return np.stack([np.where(columns < size // 2, 0.5, busy).astype(np.float32)] * 3)


def test_small_and_many_where_the_target_is_busy() -> None:
    params = start(half_busy(), 400).params
    right = params[:, 0] > 64
    assert right.sum() > 250
    assert np.median(params[right, 2]) < 0.7 * np.median(params[~right, 2])


def test_flat_areas_are_not_forgotten() -> None:
    params = start(half_busy(), 400).params
    far_left = params[params[:, 0] < 48]
    assert len(far_left) >= 8


def test_small_ones_lie_in_front() -> None:
    scale = start(half_busy(), 200).params[:, 2]
    assert (np.diff(scale) >= 0).all()


def test_stamps_cover_the_canvas_as_often_as_wanted() -> None:
    flat = np.full((3, 200, 200), 0.3, np.float32)
    for stamp in (square(), square(alpha=51), square(width=16, height=4)):
        primitives = start(flat, 400, None, 0, stamp)
        coverage = Templates([stamp]).coverage[primitives.template]
        area = (4 * np.square(primitives.params[:, 2]) * coverage).sum() / 200**2
        assert area == pytest.approx(RECIPE.cover, rel=0.02)


def test_colors_are_those_of_the_place() -> None:
    target = np.zeros((3, 96, 96), np.float32)
    target[0, :, :48], target[2, :, 48:] = 0.8, 0.6
    params = start(target, 300).params
    inside = np.abs(params[:, 0] - 48) > 2 * params[:, 2]
    left = params[:, 0] < 48
    assert np.allclose(params[inside & left, 6:], [0.8, 0.0, 0.0], atol=1e-5)
    assert np.allclose(params[inside & ~left, 6:], [0.0, 0.0, 0.6], atol=1e-5)


def test_nothing_is_placed_where_the_weight_is_zero() -> None:
    weight = np.zeros((128, 128), np.float32)
    weight[:, :64] = 1.0
    assert start(half_busy(), 300, weight).params[:, 0].max() <= 64


def test_templates_are_used_equally_often() -> None:
    template = start(half_busy(), 100, None, 0, square(), square(), square()).template
    assert sorted(np.bincount(template).tolist()) == [33, 33, 34]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (2, 2), (33, 5), (16, 300)])
@pytest.mark.parametrize("count", [1, 2, 50])
def test_any_canvas_and_count(size: tuple[int, int], count: int) -> None:
    target = Random(1).uniform(3, *size)
    params = start(target, count).params
    assert params.shape == (count, 9)
    assert np.isfinite(params).all()
    assert (params[:, 0] >= 0).all()
    assert (params[:, 0] <= size[1]).all()
    assert (params[:, 1] >= 0).all()
    assert (params[:, 1] <= size[0]).all()
    assert (params[:, 2] >= RECIPE.least_scale).all()
    assert (params[:, 2] <= max(*size, RECIPE.least_scale)).all()


def test_large_canvas_is_worked_out_on_a_smaller_raster() -> None:
    flat = np.full((3, 40, 3000), 0.5, np.float32)
    params = start(flat, 100).params
    assert params[:, 0].max() > 2950
    assert params[:, 0].min() < 50


def test_the_seed_decides() -> None:
    first, again, other = (start(half_busy(), 50, seed=s).params for s in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rounding_noise_is_not_contrast() -> None:
    noise = (Random(0).integers(2, 3, 64, 64) / 255 + 0.5).astype(np.float32)
    density = contrast_density(noise, 100, RECIPE)
    assert density.max() == density.min()


def test_hilbert_curve_visits_every_pixel_by_steps_to_a_neighbor() -> None:
    order = hilbert_order(16, 16)
    assert np.array_equal(np.sort(order), np.arange(256))
    steps = np.abs(np.diff(order // 16)) + np.abs(np.diff(order % 16))
    assert (steps == 1).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 3), (20, 100)])
def test_hilbert_curve_visits_each_pixel_of_any_raster_once(height: int, width: int) -> None:
    assert np.array_equal(np.sort(hilbert_order(height, width)), np.arange(height * width))


def test_samples_are_spread_evenly() -> None:
    density = np.full((64, 64), 1 / 4096)
    index = stratified_sample(density, 64, Random(0))
    # One stratum is an 8 x 8 block of the curve.
    blocks = index // 64 // 8 * 8 + index % 64 // 8
    assert len(np.unique(blocks)) == 64
