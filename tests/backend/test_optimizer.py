"""The change of variables and Adam on them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.color import decode
from backend.optimizer import Optimizer
from backend.recipes import Recipe

RECIPE = Recipe()


def some(count: int = 6) -> Tensor:
    """Params [N, 9] inside a canvas of 40 x 30 px."""
    params = torch.rand(count, 9, generator=torch.Generator().manual_seed(5)) * 0.8 + 0.1
    params[:, 0] *= 40
    params[:, 1] *= 30
    params[:, 2] = params[:, 2] * 8 + 1
    return params


def make(params: Tensor, **options: bool | Tensor) -> Optimizer:
    return Optimizer(params, RECIPE, 30, 40, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("linear", [False, True])
def test_starts_from_the_given_parameters(linear: bool) -> None:
    optimizer = make(some(), linear=linear)
    assert torch.allclose(optimizer.encoded, some(), atol=1e-5)
    assert torch.allclose(optimizer.params[:, 6:], decode(some()[:, 6:]) if linear else some()[:, 6:], atol=1e-6)
    assert torch.equal(optimizer.params[:, :6], optimizer.encoded[:, :6])


@pytest.mark.parametrize("linear", [False, True])
def test_a_small_step_descends_in_every_column(linear: bool) -> None:
    gradient = torch.randn(6, 9, generator=torch.Generator().manual_seed(1))
    optimizer = make(some(), linear=linear)
    before = optimizer.params
    optimizer.step(gradient.clone(), 1e-3)
    moved = optimizer.params - before
    free = [0, 1, 2, 4, 5, 6, 7, 8]
    assert (moved[:, free] * gradient[:, free] < 0).all()
    assert (moved[:, 3] == 0).all()


def test_the_first_step_is_as_long_as_the_rates_say() -> None:
    optimizer = make(some())
    optimizer.step(torch.ones(6, 9), 1.0)
    scale = some()[:, 2]
    moved = optimizer.encoded - some()
    position = -(RECIPE.position_rate * scale + RECIPE.position_rate_least)
    assert torch.allclose(moved[:, 0], position, atol=1e-4)
    assert torch.allclose(optimizer.encoded[:, 2], scale * torch.tensor(-RECIPE.scale_rate).exp(), atol=1e-4)
    assert torch.allclose(moved[:, 4], torch.tensor(-RECIPE.rotation_rate), atol=1e-5)
    assert torch.allclose(moved[:, 6:], torch.tensor(-RECIPE.color_rate), atol=1e-5)


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
        x, y, scale, aspect, _, opacity = optimizer.params.T[:6]
        margin = RECIPE.margin
        assert (x >= -margin).all()
        assert (x <= 40 + margin).all()
        assert (y >= -margin).all()
        assert (y <= 30 + margin).all()
        assert (scale >= RECIPE.least_scale * 0.999).all()
        assert (scale <= 40.001).all()
        assert torch.allclose(aspect, some()[:, 3])
        assert (opacity > 0).all()
        assert (opacity < 1).all()
        assert (optimizer.params[:, 6:] >= 0).all()
        assert (optimizer.params[:, 6:] <= 1).all()


def test_locked_primitives_keep_every_bit() -> None:
    locked = torch.tensor([True, False, False, True, False, False])
    params = some()
    params[0, 5], params[3, 0] = 1.0, 500.0  # beyond what would be reached by itself
    optimizer = make(params, locked=locked)
    for _ in range(5):
        optimizer.step(torch.ones(6, 9), 1.0)
    assert torch.equal(optimizer.encoded[locked], params[locked])
    assert (optimizer.encoded[~locked, :3] != params[~locked, :3]).all()


def test_without_gradient_nothing_moves() -> None:
    optimizer = make(some())
    before = optimizer.params
    optimizer.step(torch.zeros(6, 9), 1.0)
    assert torch.equal(optimizer.params, before)


def test_rates_are_held_then_fall() -> None:
    assert RECIPE.rate_at(0) == RECIPE.rate_at(RECIPE.hold) == 1.0
    assert RECIPE.rate_at(1.0) == pytest.approx(RECIPE.last_rate)
    rates = [RECIPE.rate_at(step / 100) for step in range(101)]
    assert rates == sorted(rates, reverse=True)


def test_stamps_sharpen() -> None:
    recipe = replace(RECIPE, first_bias=0.25, bias=1.0, soften_until=0.5)
    assert recipe.bias_at(0) == 0.25
    assert recipe.bias_at(0.25) == pytest.approx(0.5)
    assert recipe.bias_at(0.5) == recipe.bias_at(1) == 1.0
