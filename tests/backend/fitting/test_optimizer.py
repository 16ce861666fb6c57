"""The change of variables and Adam on them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from backend.fitting.constraints.limits import Bounds
from backend.fitting.optimizer import Optimizer, decoding_slope
from backend.fitting.random import Random
from backend.fitting.recipe import Recipe
from backend.native.arrays import BoolArray, FloatArray
from backend.pictures.color import decode
from tests.backend.support.twins.descent import Twin, light

RECIPE = Recipe()
RULE = replace(RECIPE.adam_rule(spacing=10.0, iterations=100), momentum=0.8)


def some(count: int = 6) -> FloatArray:
    """Params [N, 9] inside a canvas of 40 x 30 px."""
    params = Random(5).uniform(count, 9) * np.float32(0.8) + np.float32(0.1)
    params[:, 0] *= 40
    params[:, 1] *= 30
    params[:, 2] = params[:, 2] * 8 + 1
    return params


def rows(*values: float, count: int = 6) -> FloatArray:
    return np.tile(np.array(values, np.float32), (count, 1))


def gradients(seed: int, count: int = 6) -> FloatArray:
    return Random(seed).uniform(count, 9) - np.float32(0.5)


def same(gradient: float) -> FloatArray:
    return np.full((6, 9), gradient, np.float32)


LOW = rows(-2.0, -2.0, 1.0, 0.1, -math.inf, 0.01, 0.0, 0.0, 0.0)
HIGH = rows(42.0, 32.0, 40.0, 2.0, math.inf, 0.99, 1.0, 1.0, 1.0)
FREE = np.zeros((6, 9), np.bool_)


def logit(opacity: FloatArray) -> FloatArray:
    return np.log(opacity / (1 - opacity))


def make(
    params: FloatArray, *, frozen: BoolArray = FREE, linear: bool = False, palette: FloatArray | None = None
) -> Optimizer:
    bounds = Bounds(LOW, HIGH)
    return Optimizer(params, bounds, frozen, RULE, linear=linear, palette=palette)


@pytest.mark.parametrize("linear", [False, True])
def test_starts_from_the_given_parameters(linear: bool) -> None:
    optimizer = make(some(), linear=linear)
    assert np.allclose(optimizer.encoded, some(), atol=1e-5)
    assert np.allclose(optimizer.params[:, 6:], decode(some()[:, 6:]) if linear else some()[:, 6:], atol=1e-6)
    assert np.array_equal(optimizer.params[:, :6], optimizer.encoded[:, :6])


@pytest.mark.parametrize("linear", [False, True])
def test_a_small_step_descends(linear: bool) -> None:
    gradient = gradients(1)
    optimizer = make(some(), linear=linear)
    before = optimizer.params
    optimizer.step(gradient, 1e-3)
    down = (optimizer.params - before) * gradient
    assert (down[:, 2:] < 0).all()
    assert (down[:, :2].sum(1) < 0).all()


def test_the_first_step_is_as_long_as_the_rates_say() -> None:
    params = some()
    params[:, 4] = 0.0  # their axes are the canvas'
    optimizer = make(params)
    optimizer.step(same(1.0), 1.0)
    scale, root = params[:, 2], np.sqrt(params[:, 3])
    moved = optimizer.encoded - params
    least = RECIPE.position_rate_floor
    assert np.allclose(moved[:, 0], -(RECIPE.position_rate * scale * root + least), atol=1e-4)
    assert np.allclose(moved[:, 1], -(RECIPE.position_rate * scale / root + least), atol=1e-4)
    assert np.allclose(optimizer.encoded[:, 2], scale * math.exp(-RECIPE.scale_rate), atol=1e-4)
    assert np.allclose(optimizer.encoded[:, 3], params[:, 3] * math.exp(-RECIPE.aspect_rate))
    assert np.allclose(moved[:, 4], -RECIPE.rotation_rate / np.maximum(root, 1 / root), atol=1e-5)
    assert np.allclose(logit(optimizer.encoded[:, 5]), logit(params[:, 5]) - RECIPE.opacity_rate, atol=1e-4)
    assert np.allclose(moved[:, 6:], -RECIPE.color_rate, atol=1e-5)


def test_positions_step_along_the_primitives_own_axes() -> None:
    params = some()
    params[:, 3], params[:, 4] = 2.0, math.pi / 2  # twice as long as wide, and upright
    optimizer = make(params)
    optimizer.step(same(1.0), 1.0)
    moved = optimizer.encoded[:, :2] - params[:, :2]
    half_axes = params[:, 2:3] * np.sqrt(np.array([2.0, 0.5]))
    steps = RECIPE.position_rate * half_axes + RECIPE.position_rate_floor
    assert np.allclose(moved, -steps[:, ::-1], atol=1e-4)


def test_the_size_of_gradients_does_not_matter() -> None:
    small, large = make(some()), make(some())
    for step in range(3):
        gradient = gradients(step)
        small.step(gradient * np.float32(1e-3), 1.0)
        large.step(gradient * np.float32(1e3), 1.0)
    assert np.allclose(small.params, large.params, rtol=1e-4)


def test_everything_stays_in_its_limits() -> None:
    for sign in (-1.0, 1.0):
        optimizer = make(some())
        for _ in range(300):
            optimizer.step(same(sign), 1.0)
        assert (optimizer.params >= LOW).all()
        assert (optimizer.params <= HIGH).all()


def test_locked_primitives_keep_every_bit() -> None:
    locked = np.array([True, False, False, True, False, False])
    params = some()
    params[0, 5], params[3, 0] = 1.0, 500.0  # beyond what would be reached by itself
    optimizer = make(params, frozen=np.broadcast_to(locked[:, None], (6, 9)))
    for _ in range(5):
        optimizer.step(same(1.0), 1.0)
    assert np.array_equal(optimizer.encoded[locked], params[locked])
    assert (optimizer.encoded[~locked, :3] != params[~locked, :3]).all()


def test_without_gradient_nothing_moves() -> None:
    optimizer = make(some())
    before = optimizer.params
    optimizer.step(same(0.0), 1.0)
    assert np.allclose(optimizer.params, before, rtol=1e-6)


def test_a_locked_parameter_keeps_every_bit() -> None:
    frozen = FREE.copy()
    frozen[:, 4] = True
    optimizer = make(some(), frozen=frozen)
    optimizer.step(same(1.0), 1.0)
    assert np.array_equal(optimizer.encoded[:, 4], some()[:, 4])
    assert (optimizer.encoded[:, 6] != some()[:, 6]).all()


def test_a_palette_is_all_that_is_seen() -> None:
    palette = np.array([[0, 0, 0], [1, 1, 1]], np.float32)
    optimizer = make(some(), palette=palette)
    assert np.array_equal(optimizer.params[:, 6:], some()[:, 6:])
    assert all(color in palette.tolist() for color in optimizer.encoded[:, 6:].tolist())
    optimizer.limit_colors()
    towards_white = same(0.0)
    towards_white[:, 6:] = -1.0
    for _ in range(30):
        assert all(color in palette.tolist() for color in optimizer.params[:, 6:].tolist())
        optimizer.step(towards_white, 1.0)
    assert (optimizer.params[:, 6:] == 1.0).all()


def test_arriving_primitives_lie_in_front_without_moments() -> None:
    optimizer = make(some())
    for _ in range(3):
        optimizer.step(same(1.0), 1.0)
    before, arriving = optimizer.encoded, some()[:2] * np.float32(0.9)
    order = np.array([0, 2, 3, 5])
    optimizer.rearrange(order, arriving, Bounds(LOW, HIGH), FREE)
    assert np.array_equal(optimizer.encoded[2:], before[order])
    assert np.array_equal(optimizer.encoded[:2], np.maximum(arriving, LOW[:2]))
    optimizer.step(same(0.0), 1.0)
    assert np.allclose(optimizer.encoded[:2], np.maximum(arriving, LOW[:2]))
    assert (optimizer.encoded[2:, 4] < before[order, 4]).all()  # by their momentum


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("limited", [None, False, True])
def test_steps_are_those_of_the_twin(linear: bool, limited: bool | None) -> None:
    """In doubles, from the formulas as they are published. limited: whether the colors of a palette are drawn."""
    count = 40
    params = some(count)
    low, high = np.tile(LOW[:1], (count, 1)), np.tile(HIGH[:1], (count, 1))
    low[::3, 4], high[::3, 4] = -0.5, 2.0  # some rotations have a range
    frozen = Random(2).uniform(count, 9) < 0.1
    palette = None if limited is None else Random(3).uniform(5, 3)
    optimizer = Optimizer(params, Bounds(low, high), frozen, RULE, linear=linear, palette=palette)
    if limited:
        optimizer.limit_colors()
    twin = Twin(optimizer.variables, RULE, linear=linear, palette=palette, limited=bool(limited))
    for step in range(6):
        # Each rounds to 24 bits in ten operations; those of a step of Adam are as large as the step, a radian at most.
        assert np.allclose(optimizer.params, twin.params(), rtol=1e-5, atol=1e-5)
        assert np.allclose(optimizer.encoded, twin.encoded(), rtol=1e-5, atol=1e-5)
        gradient = gradients(10 + step, count) * np.float32(10.0) ** np.arange(-4, 5, dtype=np.float32)
        optimizer.step(gradient, 0.7)
        twin.step(gradient.astype(np.float64), 0.7)
        twin.follow(optimizer.variables)


def test_the_slope_of_decoding_is_its_derivative() -> None:
    encoded = np.linspace(0.0, 1.0, 1001, dtype=np.float32)
    exact = encoded.astype(np.float64)
    expected = (light(exact + 1e-6) - light(exact - 1e-6)) / 2e-6
    near = np.abs(encoded - 0.04045) > 1e-5  # it has a corner there
    assert np.allclose(decoding_slope(encoded)[near], expected[near], rtol=1e-5)
