"""Minimum spacing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backend.fitting.constraints.spacing import TOLERANCE, check_spacing, greatest_spacing, pairs_within, settle, spread
from backend.fitting.random import Random
from backend.job import UserError
from backend.native.arrays import FloatArray


def distances(x: FloatArray, y: FloatArray) -> FloatArray:
    """Of all pairs, each once."""
    points = np.stack([x, y], 1).astype(np.float64)
    apart = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    return apart[np.triu_indices(len(points), 1)]


def least_distance(x: FloatArray, y: FloatArray) -> float:
    return float(distances(x, y).min())


def pairs_too_close(x: FloatArray, y: FloatArray, spacing: float) -> int:
    return int((distances(x, y) < spacing).sum())


def scattered(count: int, height: int, width: int, clump: float = 1.0, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    random = Random(count, seed)
    x = random.uniform(count) ** clump * width
    return x.astype(np.float32), (random.uniform(count) * height).astype(np.float32)


@pytest.mark.parametrize("reach", [0.5, 7.0, 300.0])
def test_pairs_are_those_that_all_pairs_say(reach: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.fitting.constraints.spacing._BLOCK", 500)
    generator = np.random.default_rng(0)
    points, others = generator.uniform(20, 120, (300, 2)), generator.uniform(0, 150, (200, 2))
    found = [pair for i, j in pairs_within(points, others, reach) for pair in zip(i.tolist(), j.tolist(), strict=True)]
    apart = np.hypot(*(others[:, None] - points[None]).transpose(2, 0, 1))
    assert sorted(found) == list(map(tuple, np.argwhere(apart < reach).tolist()))
    assert list(pairs_within(points[:0], others, reach)) == []


@pytest.mark.parametrize("share", [0.3, 0.8, 0.9, 0.999])
@pytest.mark.parametrize(("height", "width", "clump"), [(90, 130, 1.0), (300, 40, 1.0), (90, 130, 3.0)])
def test_settled_centers_keep_the_spacing_on_the_canvas(height: int, width: int, clump: float, share: float) -> None:
    x, y = scattered(200, height, width, clump)
    spacing = share * greatest_spacing(200, height, width)
    check_spacing(spacing, 200, height, width)
    x, y = settle(x, y, spacing, None, height, width)
    assert x.dtype == np.float32
    assert least_distance(x, y) >= spacing
    assert min(x.min(), y.min()) >= 0
    assert x.max() <= width
    assert y.max() <= height


def test_settling_moves_little_where_little_is_wrong() -> None:
    x, y = scattered(100, 200, 200)
    spacing = 0.4 * greatest_spacing(100, 200, 200)
    moved = settle(x, y, spacing, None, 200, 200)
    assert float(np.hypot(moved[0] - x, moved[1] - y).mean()) < 0.25 * spacing
    again = settle(*moved, spacing, None, 200, 200)
    assert np.array_equal(again[0], moved[0])
    assert np.array_equal(again[1], moved[1])


def test_fixed_centers_do_not_move() -> None:
    x, y = scattered(80, 100, 100)
    movable = np.arange(80) >= 3
    x[:3], y[:3] = (10.0, 50.0, 80.0), (10.0, 50.0, 20.0)
    for a, b in (spread(x, y, 7.0, movable, 100, 100), settle(x, y, 7.0, movable, 100, 100)):
        assert np.array_equal(a[:3], x[:3])
        assert np.array_equal(b[:3], y[:3])
    assert least_distance(a, b) >= 7.0


def test_fixed_centers_stay_too_close() -> None:
    x = y = np.array([5.0, 6.0], np.float32)
    a, b = settle(x, y, 4.0, np.zeros(2, np.bool_), 20, 20)
    assert np.array_equal(a, x)
    assert np.array_equal(b, y)


def test_a_few_rounds_bring_them_nearer_to_it() -> None:
    before = after = 0
    for seed in range(8):
        x, y = scattered(300, 200, 200, seed=seed)
        before += pairs_too_close(x, y, 6.0)
        after += pairs_too_close(*spread(x, y, 6.0, None, 200, 200, rounds=4), 6.0)
    assert after < 0.5 * before


def test_all_in_one_place_come_apart() -> None:
    x, y = settle(np.full(30, 40.0, np.float32), np.full(30, 20.0, np.float32), 5.0, None, 60, 80)
    assert least_distance(x, y) >= 5.0


@pytest.mark.parametrize(("count", "height", "width"), [(1, 50, 80), (2, 50, 80), (1000, 512, 512), (77, 9, 900)])
def test_greatest_spacing_is_near_that_of_the_densest_packing(count: int, height: int, width: int) -> None:
    spacing = greatest_spacing(count, height, width)
    check_spacing(spacing, count, height, width)
    discs = count * math.sqrt(0.75) * spacing**2
    assert discs <= (height + spacing) * (width + spacing)
    if count == 1000:
        assert discs > 0.95 * height * width
    if spacing < 0.999 * max(height, width):  # more is never asked for
        with pytest.raises(UserError, match=f"{count:,} primitives do not fit on the canvas"):
            check_spacing(1.01 * spacing + 4 * TOLERANCE, count, height, width)


def test_the_error_names_a_spacing_that_fits() -> None:
    with pytest.raises(UserError, match=r"spacing of 0.1 of its longer side: set it to 0\.0\d+ at most") as caught:
        check_spacing(51.2, 1000, 512, 512)
    most = float(caught.value.message.split("set it to ")[1].split(" ")[0])
    check_spacing(most * 512, 1000, 512, 512)
    check_spacing(0.0, 1_000_000, 10, 10)
