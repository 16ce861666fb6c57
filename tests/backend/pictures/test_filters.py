"""Filters against explicit convolutions and means."""

from __future__ import annotations

import numpy as np
import pytest

from backend.native.arrays import FloatArray
from backend.pictures.filters import bell, box_mean, gaussian, shrunk, window_sums


def noise(*shape: int) -> FloatArray:
    return np.random.default_rng(1).random(shape, np.float32)


def convolved(planes: FloatArray, weights: list[float]) -> FloatArray:
    """The sums with weights over the square windows inside planes [C, H, W], directly."""
    windows = np.lib.stride_tricks.sliding_window_view(planes.astype(np.float64), (len(weights),) * 2, (1, 2))  # type: ignore[call-overload]
    result: FloatArray = np.einsum("chwij,i,j->chw", windows, weights, weights)
    return result


def test_a_bell_is_symmetric_and_sums_to_one() -> None:
    weights = bell(1.5, 5)
    assert sum(weights) == pytest.approx(1.0, abs=1e-15)
    assert weights == weights[::-1]
    assert weights[6] / weights[5] == pytest.approx(0.8007374029168081)  # exp(-1 / 4.5)
    assert bell(0.1, 0) == [1.0]


@pytest.mark.parametrize("axes", [(-2, -1), (-1, -2)])
@pytest.mark.parametrize("width", [30, 150])
def test_window_sums_are_a_separable_convolution(axes: tuple[int, int], width: int) -> None:
    planes, weights = noise(3, 20, width), [0.5, 0.25, 0.2, 0.05]
    sums = window_sums(planes, weights, axes)
    assert sums.dtype == np.float32
    np.testing.assert_allclose(sums, convolved(planes, weights), atol=1e-6)
    assert np.array_equal(window_sums(planes, [2.0]), 4.0 * planes)
    turned = window_sums(planes.transpose(0, 2, 1), weights, axes)
    np.testing.assert_allclose(turned, sums.transpose(0, 2, 1), atol=1e-6)


def test_a_sum_has_the_same_bits_in_a_vector_and_alone() -> None:
    plane, weights = noise(5, 140), bell(2.0, 6)
    for width in (128, 100, 77):
        part = np.ascontiguousarray(plane[:, :width])
        assert np.array_equal(window_sums(part, weights, [-1]), window_sums(plane, weights, [-1])[:, : width - 12])


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (25, 17)])
def test_a_gaussian_extends_the_edges(size: tuple[int, int]) -> None:
    plane = noise(*size)
    wide = np.pad(plane, 6, mode="edge")
    np.testing.assert_allclose(gaussian(plane, 2.0), convolved(wide[None], bell(2.0, 6))[0], atol=1e-6)
    np.testing.assert_allclose(gaussian(np.full(size, 0.3, np.float32), 2.0), 0.3, atol=1e-6)


def test_a_box_mean_covers_the_part_inside() -> None:
    planes = noise(2, 9, 12)
    means = box_mean(planes, 5)
    np.testing.assert_allclose(means[:, 4, 6], planes[:, 2:7, 4:9].mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(means[:, 0, 11], planes[:, :3, 9:].mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(box_mean(planes, 31)[:, 3, 3], planes.mean((1, 2)), rtol=1e-6)


def test_shrunk_averages_each_area_and_the_rest_at_the_far_edges() -> None:
    planes = noise(1, 5, 7)
    small = shrunk(planes, 4)
    assert small.shape == (1, 2, 2)
    assert small[0, 0, 0] == pytest.approx(planes[0, :4, :4].mean())
    assert small[0, 1, 1] == pytest.approx(planes[0, 4:, 4:].mean())
    assert shrunk(planes, 1) is planes
