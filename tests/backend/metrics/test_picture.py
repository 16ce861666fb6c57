"""PSNR and SSIM against values from scikit-image 0.26."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.metrics.picture import psnr, ssim


def waves(height: int, width: int, phase: float) -> NDArray[np.float64]:
    y, x, channel = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return (0.5 + 0.5 * np.sin(phase + 0.7 * x + 0.31 * y * y / height + channel)) ** 1.5


def pair(height: int, width: int) -> tuple[Tensor, Tensor]:
    a = waves(height, width, 0.0)
    b = np.clip(a * 0.8 + 0.1 + 0.1 * waves(height, width, 3.0), 0, 1)
    first, second = (torch.from_numpy(values).permute(2, 0, 1).float() for values in (a, b))
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
        a, b = torch.full((3, *size), 0.5), torch.full((3, *size), 0.6)
        assert psnr(a, b) == pytest.approx(20.0, abs=1e-4)
        assert 0.9 < ssim(a, b) < 1.0
        assert ssim(a, b, torch.ones(size)) == pytest.approx(ssim(a, b))


def test_only_weighted_pixels_count() -> None:
    a, b = pair(40, 40)
    b[:, :, :20] = 0.0
    weight = torch.zeros(40, 40)
    weight[:, 20:] = 1.0
    assert psnr(a, b, weight) == pytest.approx(psnr(a[:, :, 20:], b[:, :, 20:]), abs=1e-6)
    weight[:, 20:25] = 0.0
    assert ssim(a, b, weight) == pytest.approx(ssim(a[:, :, 20:], b[:, :, 20:]), abs=1e-6)


def test_values_outside_the_range_are_clamped() -> None:
    a, b = pair(20, 20)
    assert psnr(torch.where(a > 0.9, a + 5.0, a), b) == psnr(torch.where(a > 0.9, a * 0 + 1.0, a), b)
