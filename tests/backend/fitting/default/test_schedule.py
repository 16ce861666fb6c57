"""The course of a fit by a recipe whose numbers are easy, computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.fitting.default.schedule import Moment, Schedule
from backend.fitting.recipe import DEFAULT, Recipe

RECIPE = Recipe(
    first_bias=0.25,
    bias=1.0,
    soften_until=0.5,
    full_rate=2.0,
    hold=0.6,
    last_rate=0.1,
    palette_from=0.8,
    relocate_every=4,
    relocate_until=0.7,
    relocated=0.2,
    working_size=512.0,
    working_spacing=16.0,
    full_size_from=0.75,
    fewer_rows=4,
    fewer_rows_until=0.7,
    fewer_rows_spacing=8.0,
    fewest_rows=32,
)
SCHEDULE = Schedule(RECIPE, size=2048, height=2048, spacing=64.0, palette=True)


def test_at_the_beginning_all_is_small_and_soft() -> None:
    """2048 px are two octaves above the working size; a third octave of spacing does not matter."""
    assert SCHEDULE.at(0, 0.0) == Moment(4, 0.25, 2.0, limited=False, relocated=0.0, rows=4, phase=-4.5)
    assert replace(SCHEDULE, spacing=128.0).at(0, 0.0).shrink == 4


def test_in_the_middle() -> None:
    """At 0.5 a third of two octaves is left, which is rounded up to one; at 0.25 half of the way to sharp is left."""
    assert SCHEDULE.at(3, 0.5) == Moment(2, 1.0, 2.0, limited=False, relocated=0.1, rows=1, phase=-2)
    assert SCHEDULE.at(3, 0.25).bias == pytest.approx(0.5)
    assert SCHEDULE.at(7, 0.77).phase == 0
    # Halfway down the cosine: the mean of the full rate and the last one.
    assert SCHEDULE.rate_at(0.8) == pytest.approx(1.1)
    assert SCHEDULE.at(7, 0.8) == Moment(1, 1.0, SCHEDULE.rate_at(0.8), limited=True, relocated=0.0, rows=1, phase=1)


def test_at_the_end_all_is_whole_and_slow() -> None:
    assert SCHEDULE.rate_at(1.0) == pytest.approx(0.2)
    assert SCHEDULE.at(99, 1.0) == Moment(1, 1.0, SCHEDULE.rate_at(1.0), limited=True, relocated=0.0, rows=1, phase=1)


def test_rates_are_held_then_fall() -> None:
    schedule = replace(SCHEDULE, recipe=DEFAULT)
    assert schedule.rate_at(0) == schedule.rate_at(DEFAULT.hold) == 1.0
    assert schedule.rate_at(1.0) == pytest.approx(DEFAULT.last_rate)
    rates = [schedule.rate_at(step / 100) for step in range(101)]
    assert rates == sorted(rates, reverse=True)


def test_large_canvases_are_worked_on_small_at_first() -> None:
    schedule = replace(SCHEDULE, size=4096, spacing=130)
    places = (0, 0.24, 0.26, 0.49, 0.51, 0.74, 0.75, 1)
    assert [schedule.shrink_at(progress) for progress in places] == [8, 8, 4, 4, 2, 2, 1, 1]
    assert replace(schedule, size=512).shrink_at(0) == replace(schedule, spacing=16).shrink_at(0) == 1
    assert replace(schedule, shrinks=False).shrink_at(0) == 1


def test_primitives_go_elsewhere_every_few_steps_and_ever_fewer() -> None:
    shares = [SCHEDULE.at(step, step / 20).relocated for step in range(20)]
    assert [step for step, share in enumerate(shares) if share > 0] == [3, 7, 11]
    assert shares[3] == pytest.approx(0.17)
    assert shares[11] == pytest.approx(0.09)
    assert replace(SCHEDULE, relocates=False).at(3, 0.15).relocated == 0.0
    continued = replace(SCHEDULE, recipe=RECIPE.continued())
    assert continued.at(3, 0.15).relocated == 0.0


def test_a_continued_fit_is_sharp_and_whole_from_the_first_step() -> None:
    moment = replace(SCHEDULE, recipe=RECIPE.continued(), palette=False).at(0, 0.0)
    assert moment == Moment(1, 1.0, RECIPE.continued_rate, limited=False, relocated=0.0, rows=1, phase=0)


def test_steps_without_scores_visit_fewer_rows_at_first() -> None:
    rows = [SCHEDULE.at(step, step / 20).rows for step in range(20)]
    assert rows == [4, 4, 4, 1] * 3 + [4, 4] + [1] * 6
    small = replace(SCHEDULE, size=512)
    assert small.at(0, 0.0).rows == 4
    # Primitives that may lie between two visited rows, and too few rows to judge by.
    assert replace(small, spacing=7.9).at(0, 0.0).rows == replace(small, height=127).at(0, 0.0).rows == 1
    # Of a smaller picture there are fewer rows.
    assert replace(SCHEDULE, height=511).at(0, 0.0).rows == 1
    assert replace(SCHEDULE, samples=False).at(0, 0.0).rows == 1


def test_phases_never_fall() -> None:
    """The sizes, then whole but soft, then sharp, then with the palette's colors alone; estimates lie just below."""
    schedule = replace(SCHEDULE, recipe=replace(RECIPE, full_size_from=0.3))
    moments = [schedule.at(step, step / 200) for step in range(201)]
    phases = [moment.phase for moment in moments if moment.rows == 1]
    assert phases == sorted(phases)
    assert set(phases) == {-4, -2, -1, 0, 1}
    estimates = [moment.phase for moment in moments if moment.rows > 1]
    assert estimates == sorted(estimates)
    assert set(estimates) == {-4.5, -2.5, -1.5, -0.5}
