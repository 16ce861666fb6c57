"""Random numbers by counting, against a twin that makes one number at a time."""

from __future__ import annotations

import numpy as np
import pytest

from backend.fitting.random import Random

WHOLE = 2**64 - 1


def mixed(value: int) -> int:
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & WHOLE
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & WHOLE
    return value ^ (value >> 31)


def number(seed: int, stream: int, index: int) -> int:
    key = mixed((seed * 0xD1342543DE82EF95 + stream * 0x9E3779B97F4A7C15 + 1) & WHOLE)
    return mixed((key + (index + 1) * 0x9E3779B97F4A7C15) & WHOLE)


@pytest.mark.parametrize(("seed", "stream"), [(0, 0), (1, 0), (7, 3), (2**63 + 5, 2**40), (-1, -2)])
def test_numbers_are_those_of_the_twin(seed: int, stream: int) -> None:
    random = Random(seed, stream)
    assert random.uniform(3, 2).tolist() == [
        [(number(seed, stream, 2 * row + column) >> 40) / 2**24 for column in range(2)] for row in range(3)
    ]
    assert random.uniform64(2).tolist() == [(number(seed, stream, i) >> 11) / 2**53 for i in (6, 7)]
    assert random.take(5) == 8
    assert random.integers(1000, 4).tolist() == [(number(seed, stream, i) >> 32) * 1000 >> 32 for i in range(13, 17)]


def test_the_finalizer_is_that_of_splitmix64() -> None:
    # The first number of java.util.SplittableRandom(0), which every implementation of SplitMix64 states.
    assert mixed(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF


def test_types_and_shapes() -> None:
    random = Random(4)
    assert random.uniform().shape == ()
    assert random.uniform(0).shape == (0,)
    assert random.uniform(2, 3).dtype == np.float32
    assert random.uniform64(1).dtype == np.float64
    assert random.integers(5, 1).dtype == np.int64


def test_numbers_are_even() -> None:
    random = Random(9)
    drawn = random.uniform(100_000)
    assert 0.0 <= drawn.min() < 1e-3
    assert 0.999 < drawn.max() < 1.0
    # Six standard deviations of 100,000 draws from 10 bins: sqrt(1e5 * 0.1 * 0.9) = 95.
    counts = np.bincount(random.integers(10, 100_000), minlength=10)
    assert np.abs(counts - 10_000).max() < 570
    streams = np.stack([Random(9, stream).uniform64(10_000) for stream in range(4)])
    assert np.abs(np.corrcoef(streams) - np.eye(4)).max() < 0.06  # six deviations of 1 / sqrt(10,000)
