"""PSNR and SSIM against values from scikit-image 0.26."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.metrics.picture import Comparison, psnr, ssim
from backend.native.arrays import FloatArray


def waves(height: int, width: int, phase: float) -> NDArray[np.float64]:
    y, x, channel = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return (0.5 + 0.5 * np.sin(phase + 0.7 * x + 0.31 * y * y / height + channel)) ** 1.5


def pair(height: int, width: int) -> tuple[FloatArray, FloatArray]:
    a = waves(height, width, 0.0)
    b = np.clip(a * 0.8 + 0.1 + 0.1 * waves(height, width, 3.0), 0, 1)
    first, second = (np.ascontiguousarray(values.transpose(2, 0, 1), np.float32) for values in (a, b))
    return first, second


# peak_signal_noise_ratio(a, b, data_range=1) and structural_similarity(a, b, data_range=1, channel_axis=2,
# gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
@pytest.mark.parametrize(
    ("height", "width", "decibels", "similarity"),
    [
        (32, 48, 18.280649019444645, 0.9040237799418408),
        (64, 40, 18.27236262430834, 0.904836613304759),
        (11, 17, 18.144872336209385, 0.914541327996275),
    ],
)
def test_values_match_scikit_image(height: int, width: int, decibels: float, similarity: float) -> None:
    a, b = pair(height, width)
    assert psnr(a, b) == pytest.approx(decibels, abs=1e-6)
    assert ssim(a, b) == pytest.approx(similarity, abs=1e-6)


def test_equal_pictures_have_the_best_numbers() -> None:
    a, _ = pair(20, 20)
    assert psnr(a, a) == pytest.approx(100.0)
    assert ssim(a, a) == pytest.approx(1.0)


def test_small_pictures_have_numbers_too() -> None:
    for size in ((1, 1), (4, 30), (10, 10)):
        a, b = (np.full((3, *size), value, np.float32) for value in (0.5, 0.6))
        assert psnr(a, b) == pytest.approx(20.0, abs=1e-4)
        assert 0.9 < ssim(a, b) < 1.0
        assert ssim(a, b, np.ones(size, np.float32)) == pytest.approx(ssim(a, b))


def test_only_weighted_pixels_count() -> None:
    a, b = pair(40, 40)
    b[:, :, :20] = 0.0
    weight = np.zeros((40, 40), np.float32)
    weight[:, 20:] = 1.0
    assert psnr(a, b, weight) == pytest.approx(psnr(a[:, :, 20:], b[:, :, 20:]), abs=1e-6)
    weight[:, 20:25] = 0.0
    assert ssim(a, b, weight) == pytest.approx(ssim(a[:, :, 20:], b[:, :, 20:]), abs=1e-6)


def test_values_outside_the_range_are_clamped() -> None:
    a, b = pair(20, 20)
    assert psnr(np.where(a > 0.9, a + np.float32(5.0), a), b) == psnr(np.where(a > 0.9, np.float32(1.0), a), b)


@pytest.mark.parametrize("size", [(40, 300), (7, 30), (30, 7), (11, 11), (3, 3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_strips_have_the_numbers_of_the_whole(size: tuple[int, int], weighted: bool) -> None:
    a, b = pair(*size)
    weight = np.linspace(0, 1, size[0] * size[1], dtype=np.float32).reshape(size) if weighted else None
    whole = Comparison(b, weight)
    whole.add(a)
    cut = Comparison(b, weight)
    edges = [0, 1, 2, size[0] // 2 + 1, size[0]]
    for top, bottom in zip(edges, edges[1:], strict=False):
        if bottom > top:
            cut.add(a[:, top:bottom], top)
    assert cut.windows.all()
    assert cut.rows.all()
    assert (cut.error(), cut.similarity()) == (whole.error(), whole.similarity())
    assert cut.similarity() == ssim(a, b, weight)


def test_a_sample_of_strips_knows_its_own_windows() -> None:
    a, b = pair(120, 40)
    whole, sample = Comparison(b), Comparison(b)
    whole.add(a)
    for top in (0, 60):
        sample.add(a[:, top : top + 20], top)
    assert sample.rows.sum() == 40
    assert np.flatnonzero(sample.windows).tolist() == [*range(10), *range(60, 70)]
    assert sample.similarity() == whole.similarity(sample.windows)
    assert sample.error() == whole.error(sample.rows)
    nothing = Comparison(b, np.eye(120, 40, -70, np.float32))
    nothing.add(a[:, :20])
    assert np.isnan(nothing.error())
