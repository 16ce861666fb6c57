"""Limits of stamps as bounds of parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from backend.fitting.constraints.limits import SCALE, StampLimits, locked_columns, order_key
from backend.fitting.random import Random
from backend.job import LOCKABLE, Limits
from backend.native.arrays import FloatArray
from backend.templates import Template, Templates


def limits(*items: Limits, height: int = 100, width: int = 200, least: float = 1.0) -> StampLimits:
    rgba = np.full((4, 6, 4), 255, np.uint8)
    templates = Templates([Template(str(i), rgba, limits=item) for i, item in enumerate(items)])
    return StampLimits(templates, height, width, least)


def params(count: int, **columns: Any) -> FloatArray:
    result = np.full((count, 9), 0.5, np.float32)
    for name, value in columns.items():
        result[:, ("x", "y", "scale", "aspect", "rotation", "opacity").index(name)] = value
    return result


def test_size_range_is_of_the_longer_sides() -> None:
    bounds = limits(Limits(), Limits(size_range=(0.1, 0.5))).bounds(np.array([1, 0, 1]))
    assert bounds.low[:, SCALE].tolist() == [10.0, 1.0, 10.0]
    assert bounds.high[:, SCALE].tolist() == [50.0, 200.0, 50.0]


def test_a_largest_size_below_the_recipes_least_scale_holds() -> None:
    bounds = limits(Limits(size_range=(0.0, 0.02)), least=5.0).bounds(np.array([0]))
    assert bounds.low[:, SCALE].tolist() == bounds.high[:, SCALE].tolist() == [2.0]


def test_clamped_params_are_exactly_within() -> None:
    item = Limits(stretch=3.0, size_range=(0.01, 0.2), rotation_range=(-0.3, 0.1), opacity_range=(0.3, 0.7))
    bounds = limits(item).bounds(np.zeros(200, np.int64))
    wild = (Random(1).uniform(200, 9) - np.float32(0.3)) * np.float32(100.0)
    tame = bounds.clamp(wild)
    assert np.array_equal(tame[:, :2], wild[:, :2])
    for column, (low, high) in zip(
        (2, 3, 4, 5, 6), ((1.0, 20.0), (1 / 3, 3.0), (-0.3, 0.1), (0.3, 0.7), (0.0, 1.0)), strict=True
    ):
        ends = np.array([low, high], np.float32)
        assert tame[:, column].min() == ends[0]
        assert tame[:, column].max() == ends[1]
    assert np.array_equal(bounds.clamp(tame), tame)


def test_opaque_only_and_stretch_none() -> None:
    tame = limits(Limits(opacity_range=(1.0, 1.0))).bounds(np.array([0])).clamp(params(1, opacity=0.9975, aspect=2))
    assert tame[0, 5] == 1.0
    assert tame[0, 3] == 1.0


@pytest.mark.parametrize(
    ("low", "high", "before", "after"),
    [
        (-30, 30, 20, 20),
        (-30, 30, 40, 30),
        (-30, 30, 350, -10),  # the same direction by another number of turns
        (-30, 30, -725, -5),
        (-30, 30, 200, -30),  # the nearer end
        (170, 190, -175, 185),  # across the half turn
        (170, 190, 20, 170),
        (0, 0, 7 * 360 + 10, 0),
        (-180, 180, 1000, 1000),  # free
        (0, 360, -50, -50),
    ],
)
def test_rotation(low: float, high: float, before: float, after: float) -> None:
    item = Limits(rotation_range=(math.radians(low), math.radians(high)))
    clamped = limits(item).bounds(np.array([0])).clamp(params(1, rotation=math.radians(before)))[0, 4]
    assert float(clamped) == pytest.approx(math.radians(after), abs=1e-5)


def test_random_rotations_and_mirrors_are_what_is_allowed() -> None:
    turned = Limits(rotation_range=(3.0, 3.5), mirror=True)
    both = limits(Limits(), turned)
    template = np.arange(2000) % 2
    rotation = both.random_rotation(template, Random(0))
    assert 0.0 <= rotation[::2].min() < 0.1
    assert 6.1 < rotation[::2].max() <= 2 * math.pi
    assert 3.0 <= rotation[1::2].min() < 3.01
    assert 3.49 < rotation[1::2].max() <= 3.5
    mirror = both.random_mirror(template, Random(0))
    assert not mirror[::2].any()
    assert 400 < mirror.sum() < 600
    assert not limits(Limits()).random_mirror(np.zeros(9, np.int64), Random(0)).any()


def test_locked_columns() -> None:
    assert locked_columns([]).sum() == 0
    assert locked_columns(["position", "color"]).nonzero()[0].tolist() == [0, 1, 6, 7, 8]
    assert locked_columns(list(LOCKABLE)).all()


def test_order() -> None:
    layers = params(3, scale=[5.0, 2.0, 9.0])
    assert order_key("free", layers) is None
    for order, front_first in (("small_front", [1, 0, 2]), ("large_front", [2, 0, 1])):
        key = order_key(order, layers)
        assert key is not None
        assert key.argsort().tolist() == front_first
