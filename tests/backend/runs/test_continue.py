"""Fits that go on from a layout, and add primitives to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.fitting import fit
from backend.fitting.loop import FitResult
from backend.job import Limits, Settings, UserError
from backend.job.layout import Layout
from backend.metrics.picture import psnr
from backend.rendering import render_layout
from tests.backend.support.pictures import discs, rolling_ball

SETTINGS = Settings(count=40, size=64, iterations=24, engine="cpu", threads=1)
TARGET = rolling_ball(2, 3)
ROWS = ("x", "y", "scale", "aspect", "rotation", "opacity")


def going_on(start: Layout, limits: Limits | None = None, **changed: object) -> FitResult:
    return fit(TARGET, discs(limits), replace(SETTINGS, **changed), start=start)  # type: ignore[arg-type]


def quality(layout: Layout) -> float:
    return psnr(render_layout(layout, discs(), engine="cpu")[:3], TARGET)


@pytest.fixture(scope="module")
def start() -> Layout:
    return fit(TARGET, discs(), SETTINGS).layout


def test_without_more_it_keeps_their_number_and_order(start: Layout) -> None:
    layout = going_on(start).layout
    assert layout.count == 40
    assert np.median(np.abs(layout.x - start.x)) < 1.0
    assert quality(layout) >= quality(start) - 0.05


def test_without_more_none_goes_far() -> None:
    """The worst of one seed, which a relocation decides, is 3 to 10 px away: so three seeds are taken."""
    worst = []
    for seed in range(3):
        start = fit(TARGET, discs(), replace(SETTINGS, seed=seed)).layout
        worst.append(np.abs(going_on(start, seed=seed).layout.x - start.x).max())
    assert np.mean(worst) < 6.0


@pytest.mark.parametrize("added", [1, 20, 200])
def test_more_are_added_where_they_help(start: Layout, added: int) -> None:
    layout = going_on(start, added=added).layout
    assert layout.count == 40 + added
    # They lie in front of those of the start, which keep their order and nearly their places.
    assert np.median(np.hypot(layout.x[0, added:] - start.x[0], layout.y[0, added:] - start.y[0])) < 2.0
    assert quality(layout) > quality(start) + {1: 0.0, 20: 0.5, 200: 3.0}[added]
    assert (layout.opacity[0, :added] > 0.1).mean() > 0.5


def test_locked_ones_stay_to_the_last_bit(start: Layout) -> None:
    locked = np.arange(40) % 3 == 0
    layout = going_on(replace(start, locked=locked), added=15).layout
    assert layout.locked.sum() == locked.sum()
    for name in ROWS:
        assert np.array_equal(getattr(layout, name)[0, layout.locked], getattr(start, name)[0, locked])
    assert np.array_equal(layout.color[0, layout.locked], start.color[0, locked])
    assert quality(layout) > quality(start)


def test_the_limits_hold_for_what_is_added(start: Layout) -> None:
    layout = going_on(start, Limits(most=50), added=10).layout
    assert layout.count == 50
    with pytest.raises(UserError, match="60 are needed"):
        going_on(start, Limits(most=50), added=20)


def test_continued_fits_are_reproducible(start: Layout) -> None:
    first, second = (going_on(start, added=12).layout for _ in range(2))
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ROWS)
    one, other = (render_layout(layout, discs(), engine="cpu") for layout in (first, second))
    assert np.array_equal(one, other)
