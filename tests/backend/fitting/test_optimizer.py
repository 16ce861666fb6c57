"""The change of variables and Adam on them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.fitting.constraints.limits import Bounds
from backend.fitting.optimizer import Optimizer
from backend.fitting.recipe import Recipe
from backend.pictures.color import decode

RECIPE = Recipe()
RULE = replace(RECIPE.adam_rule(spacing=10.0, iterations=100), momentum=0.8)


def some(count: int = 6) -> Tensor:
    """Params [N, 9] inside a canvas of 40 x 30 px."""
    params = torch.rand(count, 9, generator=torch.Generator().manual_seed(5)) * 0.8 + 0.1
    params[:, 0] *= 40
    params[:, 1] *= 30
    params[:, 2] = params[:, 2] * 8 + 1
    return params


LOW = torch.tensor([-2.0, -2.0, 1.0, 0.1, -math.inf, 0.01, 0.0, 0.0, 0.0]).repeat(6, 1)
HIGH = torch.tensor([42.0, 32.0, 40.0, 2.0, math.inf, 0.99, 1.0, 1.0, 1.0]).repeat(6, 1)
FREE = torch.zeros(6, 9, dtype=torch.bool)


def make(params: Tensor, *, frozen: Tensor = FREE, linear: bool = False, palette: Tensor | None = None) -> Optimizer:
    bounds = Bounds(LOW, HIGH)
    return Optimizer(params, bounds, frozen, RULE, linear=linear, palette=palette)


@pytest.mark.parametrize("linear", [False, True])
def test_starts_from_the_given_parameters(linear: bool) -> None:
    optimizer = make(some(), linear=linear)
    assert torch.allclose(optimizer.encoded, some(), atol=1e-5)
    assert torch.allclose(optimizer.params[:, 6:], decode(some()[:, 6:]) if linear else some()[:, 6:], atol=1e-6)
    assert torch.equal(optimizer.params[:, :6], optimizer.encoded[:, :6])


@pytest.mark.parametrize("linear", [False, True])
def test_a_small_step_descends(linear: bool) -> None:
    gradient = torch.randn(6, 9, generator=torch.Generator().manual_seed(1))
    optimizer = make(some(), linear=linear)
    before = optimizer.params
    optimizer.step(gradient.clone(), 1e-3)
    down = (optimizer.params - before) * gradient
    assert (down[:, 2:] < 0).all()
    assert (down[:, :2].sum(1) < 0).all()


def test_the_first_step_is_as_long_as_the_rates_say() -> None:
    params = some()
    params[:, 4] = 0.0  # their axes are the canvas'
    optimizer = make(params)
    optimizer.step(torch.ones(6, 9), 1.0)
    scale, root = params[:, 2], params[:, 3].sqrt()
    moved = optimizer.encoded - params
    least = RECIPE.position_rate_floor
    assert torch.allclose(moved[:, 0], -(RECIPE.position_rate * scale * root + least), atol=1e-4)
    assert torch.allclose(moved[:, 1], -(RECIPE.position_rate * scale / root + least), atol=1e-4)
    assert torch.allclose(optimizer.encoded[:, 2], scale * math.exp(-RECIPE.scale_rate), atol=1e-4)
    assert torch.allclose(optimizer.encoded[:, 3], params[:, 3] * math.exp(-RECIPE.aspect_rate))
    assert torch.allclose(moved[:, 4], -RECIPE.rotation_rate / torch.maximum(root, 1 / root), atol=1e-5)
    assert torch.allclose(optimizer.encoded[:, 5].logit(), params[:, 5].logit() - RECIPE.opacity_rate, atol=1e-4)
    assert torch.allclose(moved[:, 6:], torch.tensor(-RECIPE.color_rate), atol=1e-5)


def test_positions_step_along_the_primitives_own_axes() -> None:
    params = some()
    params[:, 3], params[:, 4] = 2.0, math.pi / 2  # twice as long as wide, and upright
    optimizer = make(params)
    optimizer.step(torch.ones(6, 9), 1.0)
    moved = optimizer.encoded[:, :2] - params[:, :2]
    half_axes = params[:, 2:3] * torch.tensor([2.0, 0.5]).sqrt()
    steps = RECIPE.position_rate * half_axes + RECIPE.position_rate_floor
    assert torch.allclose(moved, -steps.flip(1), atol=1e-4)


def test_the_size_of_gradients_does_not_matter() -> None:
    small, large = make(some()), make(some())
    for step in range(3):
        gradient = torch.randn(6, 9, generator=torch.Generator().manual_seed(step))
        small.step(gradient * 1e-3, 1.0)
        large.step(gradient * 1e3, 1.0)
    assert torch.allclose(small.params, large.params, rtol=1e-4)


def test_everything_stays_in_its_limits() -> None:
    for sign in (-1.0, 1.0):
        optimizer = make(some())
        for _ in range(300):
            optimizer.step(torch.full((6, 9), sign), 1.0)
        assert (optimizer.params >= LOW).all()
        assert (optimizer.params <= HIGH).all()


def test_locked_primitives_keep_every_bit() -> None:
    locked = torch.tensor([True, False, False, True, False, False])
    params = some()
    params[0, 5], params[3, 0] = 1.0, 500.0  # beyond what would be reached by itself
    optimizer = make(params, frozen=locked[:, None].expand(6, 9))
    for _ in range(5):
        optimizer.step(torch.ones(6, 9), 1.0)
    assert torch.equal(optimizer.encoded[locked], params[locked])
    assert (optimizer.encoded[~locked, :3] != params[~locked, :3]).all()


def test_without_gradient_nothing_moves() -> None:
    optimizer = make(some())
    before = optimizer.params
    optimizer.step(torch.zeros(6, 9), 1.0)
    assert torch.allclose(optimizer.params, before, rtol=1e-6)


def test_a_locked_parameter_keeps_every_bit() -> None:
    frozen = FREE.clone()
    frozen[:, 4] = True
    optimizer = make(some(), frozen=frozen)
    optimizer.step(torch.ones(6, 9), 1.0)
    assert torch.equal(optimizer.encoded[:, 4], some()[:, 4])
    assert (optimizer.encoded[:, 6] != some()[:, 6]).all()


def test_a_palette_is_all_that_is_seen() -> None:
    palette = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    optimizer = make(some(), palette=palette)
    assert torch.equal(optimizer.params[:, 6:], some()[:, 6:])
    assert all(color in palette.tolist() for color in optimizer.encoded[:, 6:].tolist())
    optimizer.limit_colors()
    towards_white = torch.zeros(6, 9)
    towards_white[:, 6:] = -1.0
    for _ in range(30):
        assert all(color in palette.tolist() for color in optimizer.params[:, 6:].tolist())
        optimizer.step(towards_white.clone(), 1.0)
    assert (optimizer.params[:, 6:] == 1.0).all()


def test_arriving_primitives_lie_in_front_without_moments() -> None:
    optimizer = make(some())
    for _ in range(3):
        optimizer.step(torch.ones(6, 9), 1.0)
    before, arriving = optimizer.encoded, some()[:2] * 0.9
    order = torch.tensor([0, 2, 3, 5])
    optimizer.rearrange(order, arriving, Bounds(LOW, HIGH), FREE)
    assert torch.equal(optimizer.encoded[2:], before[order])
    assert torch.equal(optimizer.encoded[:2], arriving.maximum(LOW[:2]))
    optimizer.step(torch.zeros(6, 9), 1.0)
    assert torch.allclose(optimizer.encoded[:2], arriving.maximum(LOW[:2]))
    assert (optimizer.encoded[2:, 4] < before[order, 4]).all()  # by their momentum
