"""The sRGB transfer function against its formula in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from backend.native.arrays import FloatArray
from backend.pictures.color import composited, decode, decode_table, encode

VALUES = np.linspace(-0.1, 1.2, 10_007, dtype=np.float32)


def formula(encoded: FloatArray) -> FloatArray:
    value = encoded.astype(np.float64)
    light: FloatArray = np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0.0) + 0.055) / 1.055) ** 2.4)
    return light


def test_decode_and_encode_follow_the_formula() -> None:
    light = decode(VALUES)
    assert light.dtype == np.float32
    np.testing.assert_allclose(light, formula(VALUES), rtol=1e-6)
    np.testing.assert_allclose(encode(light), VALUES, atol=1e-6)
    assert encode(np.zeros((2, 0, 3), np.float32)).shape == (2, 0, 3)
    assert float(decode(np.float32(1.0) * np.ones((), np.float32))) == pytest.approx(1.0)


def test_a_value_has_the_same_light_wherever_it_lies() -> None:
    assert np.array_equal(decode(VALUES)[5:], decode(VALUES[5:]))
    assert np.array_equal(decode(VALUES[::3]), decode(VALUES)[::3])


def test_the_table_is_the_formula() -> None:
    table = decode_table()
    assert table.shape == (1022,)
    assert np.array_equal(table, formula(np.arange(1022) / 1020).astype(np.float32))


@pytest.mark.parametrize(("space", "gray"), [("display", 0.5), ("linear", 0.7353569830524495)])
def test_a_picture_is_composited_in_its_space(space: str, gray: float) -> None:
    color, alpha = np.ones((3, 2, 2), np.float32), np.full((2, 2), 0.5, np.float32)
    shown = composited(color, alpha, np.zeros(3, np.float32), space)
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown, gray, atol=1e-6)
