from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from numpy.testing import assert_allclose

from backend.fitting.clip.paths import Paths
from backend.native.arrays import BoolArray, FloatArray

FRAMES, COUNT = 14, 5


def some() -> tuple[Paths, BoolArray, FloatArray]:
    """Paths with clocks that rest and appearances that end, where they begin, and their rates."""
    random = np.random.default_rng(1)
    begins = random.random((FRAMES, COUNT)) < 0.15
    rate = random.random((FRAMES, COUNT), np.float32)
    rate[random.random((FRAMES, COUNT)) < 0.3] = 0.0
    rate[:, 0], begins[:, 0] = 0.0, False  # one that never moves
    return Paths.of(begins, rate), begins, rate


def even(count: int, rate: float, frames: int = FRAMES) -> Paths:
    """Paths of one appearance each, whose clocks never change."""
    return Paths.of(np.zeros((frames, count), np.bool_), np.full((frames, count), rate, np.float32))


def test_weights_sum_to_one_and_points_belong_to_one_primitive() -> None:
    paths, _, _ = some()
    assert_allclose(paths.weight.sum(2), 1.0, rtol=1.3e-6)
    for j in range(4):
        assert (paths.owner[paths.base + j] == np.arange(COUNT)).all()
    assert paths.first.sum() == paths.last.sum()


def test_appearances_share_no_points() -> None:
    paths, begins, _ = some()
    for index in range(COUNT):
        starts = [0, *(np.flatnonzero(begins[1:, index]) + 1).tolist(), FRAMES]
        spans = [
            set(range(int(paths.base[a, index]), int(paths.base[b - 1, index]) + 4))
            for a, b in itertools.pairwise(starts)
        ]
        assert sum(map(len, spans)) == len(set().union(*spans)) == int((paths.owner == index).sum())


def test_what_rests_stays_bit_for_bit() -> None:
    paths, begins, rate = some()
    points = np.random.default_rng(2).standard_normal((paths.size, 9), np.float32)
    values = np.stack([paths.at(points, frame) for frame in range(FRAMES)])
    resting = (rate[1:] == 0) & ~begins[1:]
    assert resting.sum() > 10
    assert np.array_equal(values[1:][resting], values[:-1][resting])


def test_add_is_the_transposed_of_at_and_unbent_of_bent() -> None:
    """<A p, v> = <p, A' v> in float64: to rounding."""
    paths, _, _ = some()
    paths = replace(paths, weight=paths.weight.astype(np.float64))
    random = np.random.default_rng(3)
    points, bends = random.standard_normal((2, paths.size, 2))
    who = np.array([3, 1])
    (values,) = random.standard_normal((1, 2, 2))
    total = np.zeros_like(points)
    paths.add(total, values, 7, who)
    assert_allclose((paths.at(points, 7, who) * values).sum(), (points * total).sum(), rtol=1e-12)
    assert_allclose((paths.bent(points) * bends).sum(), (points * paths.unbent(bends)).sum(), rtol=1e-12)


def test_a_cubic_in_even_time_is_fitted_exactly() -> None:
    """Cubic splines hold all cubics; what is left is that of conjugate gradients in float32."""
    times = np.arange(FRAMES, dtype=np.float32) / FRAMES
    wanted = np.tile((1.0 - 3.0 * times + 2.0 * times**2 - 0.5 * times**3)[:, None, None], (1, 2, 3))
    paths = even(2, 0.25)
    points = paths.fitted(list(wanted), stiffness=1e-6)
    found = np.stack([paths.at(points, frame) for frame in range(FRAMES)])
    assert found.dtype == np.float32
    assert_allclose(found, wanted, atol=2e-3, rtol=0)


def test_a_single_frame_and_no_primitive() -> None:
    one = even(3, 0.0, frames=1)
    values = np.random.default_rng(5).random((3, 9), np.float32)
    assert_allclose(one.at(one.fitted([values]), 0), values, atol=1e-4, rtol=0)
    none = even(0, 0.0, frames=2)
    assert none.size == 0


def test_values_lie_between_their_control_points() -> None:
    """So that limits which hold for these hold for all of the path."""
    paths, _, _ = some()
    points = np.random.default_rng(4).standard_normal((paths.size, 9), np.float32)
    for frame in range(FRAMES):
        four = np.stack([points[paths.base[frame] + j] for j in range(4)])
        values = paths.at(points, frame)
        assert (values <= four.max(0) + 1e-6).all()
        assert (values >= four.min(0) - 1e-6).all()


def test_the_weights_at_a_knot_and_between_two() -> None:
    """The clock goes on by half a knot: 1/6, 2/3, 1/6 at knots, and 1, 23, 23, 1 of 48 midway."""
    paths = even(1, 0.5, frames=3)
    assert paths.base[:, 0].tolist() == [0, 0, 1]
    wanted = np.array([[8, 32, 8, 0], [1, 23, 23, 1], [8, 32, 8, 0]]) / 48
    assert_allclose(paths.weight[:, 0], wanted, rtol=1.3e-6, atol=1e-7)
    assert paths.size == 5


def test_even_control_points_make_an_even_path_without_bends() -> None:
    paths = even(1, 0.25)
    points = np.arange(paths.size, dtype=np.float32)[:, None]
    steps = np.diff(np.stack([paths.at(points, frame) for frame in range(FRAMES)]), axis=0)
    assert_allclose(steps, 0.25, rtol=1.3e-6, atol=1e-5)
    assert not paths.bent(points).any()


def test_a_stiff_path_is_the_straight_line_through_a_zigzag() -> None:
    times = np.arange(FRAMES, dtype=np.float32)
    zigzag = (2.0 * times + (-1.0) ** times)[:, None, None]
    paths = even(1, 1.0)
    loose, stiff = (paths.fitted(list(zigzag), stiffness) for stiffness in (1e-6, 1e3))
    found = [np.stack([paths.at(points, frame) for frame in range(FRAMES)]) for points in (loose, stiff)]
    assert np.abs(found[0] - zigzag).max() < 0.1
    assert np.abs(found[1] - 2.0 * times[:, None, None]).max() < 0.4
    assert_allclose(found[1].mean(), zigzag.mean(), atol=1e-2, rtol=0)


def test_the_pace_of_an_even_clock_is_its_rate() -> None:
    rate = np.tile(np.array([0.25, 0.5, 1.0], np.float32), (FRAMES, 1))
    paths = Paths.of(np.zeros((FRAMES, 3), np.bool_), rate)
    reached = np.zeros((paths.size, 1), np.float32)
    for frame in range(FRAMES):
        paths.add(reached, np.ones((3, 1), np.float32), frame)
    own = reached[:, 0] > 1e-3
    assert_allclose(paths.pace(rate)[own], np.array([0.25, 0.5, 1.0])[paths.owner[own]], rtol=1e-5)
