"""The start of a fit: where primitives lie, how large they are, and that any input has one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.fitting.constraints.limits import StampLimits
from backend.fitting.default.initialize import contrast_density, hilbert_order, initialize, stratified_sample
from backend.fitting.goal import Goal
from backend.fitting.primitives import Primitives
from backend.fitting.recipe import Recipe
from backend.templates import Template, Templates

RECIPE = Recipe()


def square(alpha: int = 255, width: int = 16, height: int = 16) -> Template:
    return Template("square", np.full((height, width, 4), (0, 0, 0, alpha), np.uint8))


def start(target: Tensor, count: int, weight: Tensor | None = None, seed: int = 0, *stamps: Template) -> Primitives:
    templates = Templates(list(stamps) or [square()])
    limits = StampLimits(templates, target.shape[1], target.shape[2], RECIPE.least_scale)
    template = torch.arange(count) % len(templates)
    generator = torch.Generator().manual_seed(seed)
    return initialize(Goal(target, weight), templates, template, limits, RECIPE, generator)


def half_busy(size: int = 128) -> Tensor:
    """Gray on the left, a fine chequerboard on the right."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    busy = ((rows // 4 + columns // 4) % 2).float()
    return torch.where(columns < size // 2, 0.5, busy).expand(3, size, size).contiguous()


def test_small_and_many_where_the_target_is_busy() -> None:
    params = start(half_busy(), 400).params
    right = params[:, 0] > 64
    assert right.sum() > 250
    assert params[right, 2].median() < 0.7 * params[~right, 2].median()


def test_flat_areas_are_not_forgotten() -> None:
    params = start(half_busy(), 400).params
    far_left = params[params[:, 0] < 48]
    assert len(far_left) >= 8


def test_small_ones_lie_in_front() -> None:
    scale = start(half_busy(), 200).params[:, 2]
    assert (scale.diff() >= 0).all()


def test_stamps_cover_the_canvas_as_often_as_wanted() -> None:
    flat = torch.full((3, 200, 200), 0.3)
    for stamp in (square(), square(alpha=51), square(width=16, height=4)):
        primitives = start(flat, 400, None, 0, stamp)
        coverage = Templates([stamp]).coverage[primitives.template]
        area = (4 * primitives.params[:, 2].square() * coverage).sum() / 200**2
        assert area == pytest.approx(RECIPE.cover, rel=0.02)


def test_colors_are_those_of_the_place() -> None:
    target = torch.zeros(3, 96, 96)
    target[0, :, :48], target[2, :, 48:] = 0.8, 0.6
    params = start(target, 300).params
    inside = (params[:, 0] - 48).abs() > 2 * params[:, 2]
    left = params[:, 0] < 48
    assert torch.allclose(params[inside & left, 6:], torch.tensor([0.8, 0.0, 0.0]), atol=1e-5)
    assert torch.allclose(params[inside & ~left, 6:], torch.tensor([0.0, 0.0, 0.6]), atol=1e-5)


def test_nothing_is_placed_where_the_weight_is_zero() -> None:
    weight = torch.zeros(128, 128)
    weight[:, :64] = 1.0
    assert start(half_busy(), 300, weight).params[:, 0].max() <= 64


def test_templates_are_used_equally_often() -> None:
    template = start(half_busy(), 100, None, 0, square(), square(), square()).template
    assert sorted(template.bincount().tolist()) == [33, 33, 34]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (2, 2), (33, 5), (16, 300)])
@pytest.mark.parametrize("count", [1, 2, 50])
def test_any_canvas_and_count(size: tuple[int, int], count: int) -> None:
    target = torch.rand(3, *size, generator=torch.Generator().manual_seed(1))
    params = start(target, count).params
    assert params.shape == (count, 9)
    assert params.isfinite().all()
    assert (params[:, 0] >= 0).all()
    assert (params[:, 0] <= size[1]).all()
    assert (params[:, 1] >= 0).all()
    assert (params[:, 1] <= size[0]).all()
    assert (params[:, 2] >= RECIPE.least_scale).all()
    assert (params[:, 2] <= max(*size, RECIPE.least_scale)).all()


def test_large_canvas_is_worked_out_on_a_smaller_raster() -> None:
    flat = torch.full((3, 40, 3000), 0.5)
    params = start(flat, 100).params
    assert params[:, 0].max() > 2950
    assert params[:, 0].min() < 50


def test_the_seed_decides() -> None:
    first, again, other = (start(half_busy(), 50, seed=s).params for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_number_of_threads_does_not() -> None:
    threads = torch.get_num_threads()
    results = []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            results.append(start(half_busy(300), 500).params)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_rounding_noise_is_not_contrast() -> None:
    noise = torch.randint(0, 2, (3, 64, 64), generator=torch.Generator().manual_seed(0)) / 255 + 0.5
    density = contrast_density(noise, 100, RECIPE)
    assert density.max() == density.min()


def test_hilbert_curve_visits_every_pixel_by_steps_to_a_neighbor() -> None:
    order = hilbert_order(16, 16)
    assert torch.equal(order.sort().values, torch.arange(256))
    steps = (order // 16).diff().abs() + (order % 16).diff().abs()
    assert (steps == 1).all()


def test_samples_are_spread_evenly() -> None:
    density = torch.full((64, 64), 1 / 4096, dtype=torch.float64)
    index = stratified_sample(density, 64, torch.Generator().manual_seed(0))
    # One stratum is an 8 x 8 block of the curve.
    blocks = index // 64 // 8 * 8 + index % 64 // 8
    assert len(blocks.unique()) == 64
