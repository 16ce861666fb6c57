"""What holds for the primitives of a fit whatever is done to them: order, spacing, limits, locks, and their number."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backend.fitting.constraints.limits import StampLimits
from backend.fitting.constraints.usage import capacities
from backend.fitting.default.choice import Choice
from backend.fitting.default.population import Population
from backend.fitting.default.relocation import Candidates
from backend.fitting.primitives import Primitives
from backend.fitting.random import Random
from backend.fitting.recipe import DEFAULT
from backend.job import Limits, Settings
from backend.native.arrays import FloatArray
from backend.templates import Template, Templates

COUNT, CANVAS = 12, (60, 80)
RULE = DEFAULT.adam_rule(20.0, 100)


def stamps(limits: Limits | None = None) -> Templates:
    rgba = np.full((8, 8, 4), 255, np.uint8)
    return Templates([Template(name, rgba, limits=limits or Limits()) for name in ("one", "two", "three")])


def some(count: int = COUNT) -> Primitives:
    """Primitives inside the canvas, the templates in turn."""
    params = Random(1).uniform(count, 9) * np.float32(0.8) + np.float32(0.1)
    params[:, :3] *= np.array([80, 60, 10], np.float32)
    params[:, 2] += 2.0
    params[:, 3] = 1.0
    return Primitives.new(params, np.arange(count) % 3)


def made(primitives: Primitives | None = None, limits: Limits | None = None, **settings: Any) -> Population:
    primitives, templates, own = primitives or some(), stamps(limits), Settings(**settings)
    count = len(primitives.template)
    capacity, bounds = capacities(templates, count, own.usage), StampLimits(templates, *CANVAS, 1.0)
    palette = np.array(own.palette, np.float32) if own.palette else None
    choice = Choice(templates, bounds, capacity, palette)
    return Population(primitives, choice, own, DEFAULT, RULE, CANVAS)


def gradient(seed: int = 2) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(COUNT, 9)).astype(np.float32)


def candidates(count: int, template: int, gain: float = 1.0) -> Candidates:
    """So many of a template along the diagonal, far from each other, that gain so much."""
    params = np.full((count, 9), 0.5, np.float32)
    params[:, 0] = params[:, 1] = 4.0 + 8.0 * np.arange(count)
    params[:, 2:4] = (2.0, 1.0)
    which = np.full(count, template)
    return Candidates(params, which, np.ones(count, np.bool_), np.full(count, gain, np.float32))


def relocate(population: Population, removal: FloatArray, found: Candidates, places: int) -> None:
    population.relocate(1.0, removal, found, places)


def templates_of(population: Population) -> Any:
    return population.at(population.encoded).template


def nearest(positions: FloatArray) -> float:
    apart = np.hypot(*(positions[:, None].astype(np.float64) - positions).transpose(2, 0, 1))
    np.fill_diagonal(apart, 1e9)
    return float(apart.min())


@pytest.mark.parametrize(("order", "sign"), [("small_front", 1.0), ("large_front", -1.0)])
def test_the_order_holds_from_the_start_and_after_every_step(order: str, sign: float) -> None:
    population = made(order=order)
    for step in range(3):
        keys = sign * population.encoded[:, 2]
        assert (np.diff(keys) >= 0).all()
        population.step(gradient(step), 1.0)
        population.arrange()


def test_what_is_sorted_keeps_its_template_and_the_moments_of_its_steps() -> None:
    """Sorted or not, each primitive takes the same steps."""
    free, ordered = made(), made(order="small_front")
    rank = np.argsort(free.encoded[:, 2], kind="stable")
    assert np.array_equal(templates_of(ordered), templates_of(free)[rank])
    for step in range(3):
        both = gradient(step)
        free.step(both.copy(), 1.0)
        ordered.step(both[rank], 1.0)
        ordered.arrange()
        rank = rank[np.argsort(free.encoded[rank, 2], kind="stable")]
        assert np.array_equal(ordered.encoded, free.encoded[rank])


def test_locked_primitives_stay_in_their_place_and_as_they_are() -> None:
    primitives = some()
    primitives.locked[[2, 5]] = True
    population = made(primitives, order="small_front", spacing=0.1)
    for step in range(4):
        population.step(gradient(step), 1.0)
        relocate(population, np.zeros(COUNT, np.float32), candidates(4, template=step % 3), places=4)
        population.arrange()
        now = population.at(population.encoded)
        locked = np.flatnonzero(now.locked)
        assert np.array_equal(now.params[locked], primitives.params[[2, 5]])
        assert np.array_equal(now.template[locked], primitives.template[[2, 5]])
    free = population.encoded[~now.locked]
    assert (np.diff(free[:, 2]) >= 0).all()


def test_locked_columns_stay_and_the_others_move() -> None:
    population = made(locked=["position", "color"])
    before = population.encoded
    population.step(gradient(), 1.0)
    assert np.array_equal(population.encoded[:, [0, 1, 6, 7, 8]], before[:, [0, 1, 6, 7, 8]])
    assert (population.encoded[:, [2, 4, 5]] != before[:, [2, 4, 5]]).all()


def test_the_spacing_holds_at_the_start_and_once_it_is_settled() -> None:
    population = made(spacing=0.15)
    assert nearest(population.encoded[:, :2]) >= 0.15 * 80 - 1e-3
    population.step(10.0 * gradient(), 1.0)
    settled = population.settled(population.at(population.encoded))
    assert nearest(settled.params[:, :2]) >= 0.15 * 80 - 1e-3
    assert np.array_equal(settled.params[:, 2:], population.encoded[:, 2:])


def test_limits_hold_at_every_step() -> None:
    population = made(limits=Limits(size_range=(0.1, 0.2), rotation_range=(-0.5, 0.5), opacity_range=(0.6, 0.9)))
    for step in range(4):
        scale, rotation, opacity = population.encoded[:, [2, 4, 5]].T
        assert (scale >= 4.0 - 1e-4).all()
        assert (scale <= 8.0 + 1e-4).all()
        assert (np.abs(rotation) <= 0.5 + 1e-5).all()
        assert ((opacity >= 0.6) & (opacity <= 0.9)).all()
        population.step(5.0 * gradient(step), 1.0)


def test_the_cheapest_primitives_leave_and_new_ones_lie_in_front() -> None:
    population, removal = made(), np.arange(COUNT)[::-1].astype(np.float32)
    before = population.at(population.encoded)
    relocate(population, 0.01 * removal, candidates(3, template=1), places=3)
    after = population.at(population.encoded)
    assert len(population) == COUNT
    assert np.array_equal(after.params[:3], candidates(3, template=1).params)
    assert np.array_equal(after.params[3:], before.params[:-3])
    assert after.template.tolist() == [1, 1, 1, *before.template[:-3].tolist()]
    assert after.mirror.tolist() == [True] * 3 + [False] * (COUNT - 3)


def test_no_primitive_leaves_for_a_smaller_gain() -> None:
    population = made()
    before = population.encoded
    relocate(population, np.ones(COUNT, np.float32), candidates(3, template=1, gain=0.5), places=3)
    assert np.array_equal(population.encoded, before)


def test_scores_of_a_step_that_failed_change_nothing() -> None:
    population = made()
    before = population.encoded
    population.relocate(math.nan, np.zeros(COUNT, np.float32), candidates(3, template=1), 3)
    assert np.array_equal(population.encoded, before)


def test_shares_and_the_count_are_kept_through_relocation() -> None:
    population = made(usage="shares")
    for step in range(5):
        relocate(population, np.zeros(COUNT, np.float32), candidates(5, template=step % 3), places=5)
        assert np.bincount(templates_of(population)).tolist() == [4, 4, 4]
        assert len(population) == COUNT


def test_a_stamp_is_not_used_more_often_than_it_may_be() -> None:
    population = made(limits=Limits(most=5))
    relocate(population, np.zeros(COUNT, np.float32), candidates(6, template=2), places=6)
    assert np.bincount(templates_of(population))[2] == 5
    assert len(population) == COUNT


def test_kept_primitives_are_not_replaced() -> None:
    primitives = some()
    kept = replace(primitives, kept=np.arange(COUNT) >= 4)
    population = made(kept)
    assert population.replaceable == 4
    relocate(population, np.zeros(COUNT, np.float32), candidates(8, template=0), places=4)
    now = population.at(population.encoded)
    assert np.array_equal(now.params[now.kept], primitives.params[4:])
    assert int((~now.kept).sum()) == 4


def test_only_the_palettes_colors_are_drawn_once_they_are_the_limit() -> None:
    palette = [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5)]
    population = made(palette=palette)
    allowed = np.array(palette, np.float32)
    free = population.drawn(1.0)[0][:, 6:]
    assert not (free[:, None] == allowed).all(2).any()
    assert (population.encoded[:, None, 6:] == allowed).all(2).any(1).all()
    population.limit_colors()
    assert np.array_equal(population.drawn(1.0)[0][:, 6:], population.encoded[:, 6:])


def test_later_steps_do_not_change_what_was_returned() -> None:
    population = made(order="small_front")
    taken = population.at(population.encoded)
    params, template = taken.params.copy(), taken.template.copy()
    population.step(gradient(), 1.0)
    relocate(population, np.zeros(COUNT, np.float32), candidates(5, template=0), places=5)
    population.arrange()
    assert np.array_equal(taken.params, params)
    assert np.array_equal(taken.template, template)
