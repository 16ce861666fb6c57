"""The elementary functions of the kernels against NumPy in double precision."""

from __future__ import annotations

import math
from ctypes import c_int32, c_int64
from typing import Any

import numpy as np
import pytest
from numpy.ctypeslib import ndpointer
from numpy.typing import NDArray

from backend.native import library

Doubles = NDArray[np.float64]
FUNCTIONS = ["exp", "log", "log2", "sine", "cosine", "arc_tangent", "power"]
BEST = library.best_level()
LEVELS = list(range(2, BEST + 1)) if BEST else [None]
FLOAT = 6.1e-8
"""The relative error of a float that was rounded once: half a unit in the last place."""


def computed(level: int | None, name: str, a: Any, b: Any = 0.0) -> Doubles:
    """The values of a function of elementary.h."""
    array = ndpointer(np.float64, flags="C_CONTIGUOUS")
    function = library.load(level)[0].function("diffbmp_elementary", None, c_int32, array, array, array, c_int64)
    first, second = (np.ascontiguousarray(v, np.float64) for v in np.broadcast_arrays(a, b))
    result = np.empty(first.shape)
    function(FUNCTIONS.index(name), first, second, result, first.size)
    return result


def floats(low: float, high: float, seed: int = 0) -> Doubles:
    """Random numbers that a float holds."""
    return np.random.default_rng(seed).uniform(low, high, 100_000).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("level", LEVELS)
class TestAccuracy:
    def test_exponential_and_logarithm(self, level: int | None) -> None:
        x = floats(-87, 88)
        np.testing.assert_allclose(computed(level, "exp", x), np.exp(x), rtol=FLOAT)
        positive = np.exp(x).astype(np.float32).astype(np.float64)
        np.testing.assert_allclose(computed(level, "log", positive), np.log(positive), rtol=FLOAT)
        near = floats(0.9, 1.1)
        np.testing.assert_allclose(computed(level, "log", near), np.log(near), rtol=FLOAT)

    def test_logarithm_to_the_base_2(self, level: int | None) -> None:
        near, random = floats(0.5, 2.0), np.random.default_rng(0)
        x = np.concatenate([near, np.exp(floats(-700, 700)), np.nextafter(1.0, [0.0, 2.0]), 2.0 ** np.arange(-99, 99)])
        x *= 1 + 1e-12 * random.random(len(x))
        # Not to within rounding next to 1, where NumPy's logarithm has an error of its own.
        np.testing.assert_allclose(computed(level, "log2", x), np.log2(x), rtol=1e-15)
        assert computed(level, "log2", 2.0 ** np.arange(-99, 99)).tolist() == list(range(-99, 99))

    def test_sine_and_cosine(self, level: int | None) -> None:
        for most in (1.0, 7.0, 1e4, 1e6):
            x = np.random.default_rng(0).uniform(-most, most, 100_000)
            np.testing.assert_allclose(computed(level, "sine", x), np.sin(x), rtol=0, atol=1e-15)
            np.testing.assert_allclose(computed(level, "cosine", x), np.cos(x), rtol=0, atol=1e-15)
        quarter = np.arange(-9, 10) * (math.pi / 2)
        np.testing.assert_allclose(computed(level, "sine", quarter), np.sin(quarter), rtol=1e-15)

    def test_arc_tangent(self, level: int | None) -> None:
        x, y = floats(-2, 2), floats(-2, 2, seed=1)
        np.testing.assert_allclose(computed(level, "arc_tangent", y, x), np.arctan2(y, x), rtol=FLOAT)
        for scale in (1e-30, 1e-3, 1e30):
            np.testing.assert_allclose(
                computed(level, "arc_tangent", y * np.float32(scale), x),
                np.arctan2(y * np.float32(scale), x),
                rtol=2e-7,
            )
        assert computed(level, "arc_tangent", [0, 0, 1, -1, 0, -0.0], [0, 2, 0, 0, -3, -3]).tolist() == pytest.approx(
            [0, 0, math.pi / 2, -math.pi / 2, math.pi, -math.pi], rel=FLOAT
        )

    def test_power(self, level: int | None) -> None:
        base, exponent = floats(0, 3), floats(-4, 4, seed=1)
        np.testing.assert_allclose(computed(level, "power", base, exponent), base**exponent, rtol=FLOAT)

    def test_ends_of_the_ranges(self, level: int | None) -> None:
        inf, nan = math.inf, math.nan
        with np.errstate(all="ignore"):
            ends = computed(level, "exp", [-inf, -1e9, -90.0, 0.0, 89.0, 1e9, inf, nan])
        np.testing.assert_allclose(ends, [0, 0, np.exp(-90.0), 1, inf, inf, inf, nan], rtol=1e-6, atol=1e-45)
        for name in ("log", "log2"):
            assert np.array_equal(computed(level, name, [0, 1, inf, -1, nan]), [-inf, 0, inf, nan, nan], equal_nan=True)
        assert computed(level, "power", [0, 0, 1, 5], [2.4, 1, 9, 0]).tolist() == [0, 0, 1, 1]
        for name in ("sine", "cosine"):
            values = computed(level, name, [1e12, -1e30, 1e300, inf, nan])
            assert (np.abs(values[:3]) <= 1).all()
            assert np.isnan(values[3:]).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_bits_on_all_processors(name: str) -> None:
    a, b = floats(-80, 80), floats(-4, 4, seed=1)
    a = np.abs(a) if name in ("log", "log2", "power") else a
    results = [computed(level, name, a, b) for level in LEVELS]
    for result in results[1:]:
        assert np.array_equal(result, results[0])
