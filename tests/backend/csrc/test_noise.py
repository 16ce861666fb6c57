"""The noise canvas of the kernels against the same in NumPy."""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_int32, c_uint32, c_void_p

import numpy as np
import pytest

from backend.native import library
from backend.native.arrays import FloatArray

BEST = library.best_level()
LEVELS = list(range(2, BEST + 1)) if BEST else [None]


def filled(
    level: int | None, height: int, width: int, key: int, contrast: float, decode: FloatArray | None
) -> FloatArray:
    fill = library.load(level)[0].function(
        "diffbmp_noise", None, c_void_p, c_int32, c_int32, c_uint32, c_float, c_void_p
    )
    plane = np.full((3, height, width), np.nan, np.float32)
    table = None if decode is None else decode.ctypes.data_as(ctypes.c_void_p)
    fill(plane.ctypes.data, height, width, key, contrast, table)
    return plane


def twin(height: int, width: int, key: int, contrast: float, decode: FloatArray | None) -> FloatArray:
    """The noise by its definition."""
    h = np.arange(height * width, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(key)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    planes = []
    for channel in range(3):
        u = ((h >> np.uint32(10 * channel)) & np.uint32(1023)).astype(np.float32) / np.float32(1023)
        u = np.clip((u - np.float32(0.5)) * np.float32(contrast) + np.float32(0.5), np.float32(0), np.float32(1))
        planes.append(u if decode is None else decode[(u * np.float32(1020) + np.float32(0.5)).astype(np.int64)])
    return np.stack(planes).reshape(3, height, width)


@pytest.mark.parametrize("contrast", [0.5, 1.0, 8.0])
@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("level", LEVELS)
def test_noise_is_that_of_its_definition(level: int | None, linear: bool, contrast: float) -> None:
    decode = (np.linspace(0, 1, 1022, dtype=np.float32) ** 2).astype(np.float32) if linear else None
    for height, width, key in ((1, 1, 0), (37, 53, 0xFFFFFFFF), (128, 64, 12345)):
        found = filled(level, height, width, key, contrast, decode)
        assert np.array_equal(found, twin(height, width, key, contrast, decode))


def test_noise_is_even_and_without_memory() -> None:
    plane = filled(LEVELS[-1], 300, 300, 7, 1.0, None)
    # The standard error of the mean of 270,000 numbers is 6e-4.
    assert plane.mean() == pytest.approx(0.5, abs=2e-3)
    assert plane.std() == pytest.approx(12**-0.5, abs=2e-3)
    values = plane.reshape(3, -1) - 0.5
    for one, other in (
        (values[0], values[1]),
        (values[1], values[2]),
        (values[0, 1:], values[0, :-1]),
        (values[0], filled(LEVELS[-1], 300, 300, 8, 1.0, None)[0].ravel() - 0.5),
    ):
        assert abs(float((one * other).mean())) * 12 < 0.015
