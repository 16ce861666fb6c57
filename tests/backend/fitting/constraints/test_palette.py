"""Palettes, given or taken from a picture."""

from __future__ import annotations

import numpy as np
import pytest

from backend.fitting.constraints.palette import best_of_palette, extract, nearest, oklab, palette_of
from backend.fitting.random import Random
from backend.job import Settings
from backend.native.arrays import FloatArray


def flat_areas(*colors: tuple[float, float, float], size: int = 12) -> FloatArray:
    return np.repeat(np.array(colors, np.float32).T[:, :, None], size, 2)


def test_oklab_of_known_colors() -> None:
    known = oklab(np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]], np.float32))
    expected = [[1, 0, 0], [0, 0, 0], [0.6280, 0.2249, 0.1258], [0.4520, -0.0325, -0.3115]]
    assert np.allclose(known, expected, atol=2e-4)


def test_colors_of_flat_areas_are_found_exactly() -> None:
    colors = ((0.2, 0.4, 0.6), (0.2, 0.4, 0.8), (1.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    for size in (4, 9):  # not more than there are
        palette = extract(flat_areas(*colors), None, size, Random(0))
        assert sorted(map(tuple, palette.tolist())) == sorted(map(tuple, np.array(colors, np.float32).tolist()))
    assert palette[0].tolist() == [0, 0, 0]
    assert len(extract(flat_areas(*colors), None, 2, Random(0))) == 2


def test_weight_says_which_colors_there_are() -> None:
    target = flat_areas((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    weight = np.array([[1.0], [0.0], [1.0]], np.float32).repeat(12, 1)
    assert extract(target, weight, 5, Random(0)).tolist() == [[0, 0, 1], [1, 0, 0]]
    heavy = np.array([[1.0], [99.0], [0.0]], np.float32).repeat(12, 1)
    assert extract(target, heavy, 1, Random(0))[0].tolist() == pytest.approx([0.01, 0.99, 0], abs=0.005)


def test_palette_of_a_picture_stands_for_it_and_is_repeatable() -> None:
    y, x = np.mgrid[0:1:50j, 0:1:70j]
    target = np.stack([x, y, x * y]).astype(np.float32)
    palette = extract(target, None, 16, Random(3))
    assert palette.shape == (16, 3)
    assert np.array_equal(palette, extract(target, None, 16, Random(3)))
    assert np.allclose(palette * 255, np.rint(palette * 255), atol=1e-4)
    pixels = target.reshape(3, -1).T
    quantized = palette[nearest(pixels, palette)]
    random = Random(0).uniform(16, 3)
    assert np.square(quantized - pixels).mean() < 0.5 * np.square(random[nearest(pixels, random)] - pixels).mean()
    assert np.square(quantized - pixels).mean() < 0.009


def test_nearest_and_best_agree_with_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.fitting.constraints.palette._CHUNK", 100)
    palette = Random(0).uniform(7, 3)
    s, a = Random(1).uniform(50, 3), Random(2).uniform(50, 3)
    cost = a[:, None] * np.square(palette) - 2 * s[:, None] * palette
    assert np.array_equal(best_of_palette(s, a, palette), cost.sum(2).argmin(1))
    assert np.array_equal(nearest(s, palette), np.square(s[:, None] - palette).sum(2).argmin(1))


def test_palette_of_settings() -> None:
    target = flat_areas((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    assert palette_of(Settings(), target, None, Random(0)) is None
    given = palette_of(Settings(palette=[(0.5, 0.5, 0.5), (0.5, 0.5, 0.5), (0, 0, 1)]), target, None, Random(0))
    assert given is not None
    assert given.tolist() == [[0.5, 0.5, 0.5], [0, 0, 1]]
    taken = palette_of(Settings(palette_size=2), target, None, Random(0))
    assert taken is not None
    assert len(taken) == 2
