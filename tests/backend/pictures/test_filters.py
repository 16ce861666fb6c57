"""Filters against explicit convolutions and means."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d, pad

from backend.pictures.filters import bell, box_mean, gaussian, shrunk, window_sums


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_a_bell_is_symmetric_and_sums_to_one() -> None:
    weights = bell(1.5, 5)
    assert sum(weights) == pytest.approx(1.0, abs=1e-15)
    assert weights == weights[::-1]
    assert weights[6] / weights[5] == pytest.approx(0.8007374029168081)  # exp(-1 / 4.5)
    assert bell(0.1, 0) == [1.0]


@pytest.mark.parametrize("axes", [(-2, -1), (-1, -2)])
def test_window_sums_are_a_separable_convolution(axes: tuple[int, int]) -> None:
    planes, weights = noise(3, 20, 30), [0.5, 0.25, 0.2, 0.05]
    kernel = torch.outer(*[torch.tensor(weights, dtype=torch.float64)] * 2)
    wanted = conv2d(planes[:, None], kernel[None, None])[:, 0]
    torch.testing.assert_close(window_sums(planes, weights, axes), wanted)
    assert window_sums(planes, [2.0]).equal(4.0 * planes)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (25, 17)])
def test_a_gaussian_extends_the_edges(size: tuple[int, int]) -> None:
    plane, weights = noise(*size), torch.tensor(bell(2.0, 6), dtype=torch.float64)
    wide = pad(plane[None, None], (6,) * 4, mode="replicate")
    torch.testing.assert_close(gaussian(plane, 2.0), conv2d(wide, torch.outer(weights, weights)[None, None])[0, 0])
    torch.testing.assert_close(gaussian(torch.full(size, 0.3), 2.0), torch.full(size, 0.3))


def test_a_box_mean_covers_the_part_inside() -> None:
    planes = noise(2, 9, 12)
    means = box_mean(planes, 5)
    torch.testing.assert_close(means[:, 4, 6], planes[:, 2:7, 4:9].mean((1, 2)))
    torch.testing.assert_close(means[:, 0, 11], planes[:, :3, 9:].mean((1, 2)))


def test_shrunk_averages_each_area_and_the_rest_at_the_far_edges() -> None:
    planes = noise(1, 5, 7)
    small = shrunk(planes, 4)
    assert small.shape == (1, 2, 2)
    torch.testing.assert_close(small[0, 0, 0], planes[0, :4, :4].mean())
    torch.testing.assert_close(small[0, 1, 1], planes[0, 4:, 4:].mean())
    assert shrunk(planes, 1) is planes
