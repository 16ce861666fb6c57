"""Regularizers: what each asks of primitives, and its gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn.functional import interpolate

from backend.losses import LOSSES, regularizers
from backend.losses.combination import PREPARED, Combination
from backend.losses.regularizers import Stamps
from backend.templates import Template, Templates

REGULARIZERS = [name for name, kind in LOSSES.items() if kind.of == "primitives"]
DISC = math.pi / 4


def params(count: int, size: int = 128, seed: int = 0) -> Tensor:
    """Primitives anywhere, in double precision."""
    result = torch.rand(count, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    result[:, :2] *= size
    result[:, 2] = size * (0.02 + 0.1 * result[:, 2])
    result[:, 3] += 0.5
    result[:, 4] *= 2 * math.pi
    return result


def stamps(values: Tensor, height: int = 128, width: int = 128, ratio: float = 1.0) -> Stamps:
    """Discs, or ellipses of that ratio of height to width."""
    extent = torch.tensor([min(1.0, 1.0 / ratio), min(1.0, ratio)], dtype=values.dtype).expand(len(values), 2)
    return Stamps(values, extent, DISC * extent.prod(1), height, width)


def discs(*places: tuple[float, float], radius: float = 8.0, opacity: float = 1.0) -> Stamps:
    rows = [[x, y, radius, 1.0, 0.0, opacity, 0.5, 0.5, 0.5] for x, y in places]
    return stamps(torch.tensor(rows, dtype=torch.float64))


def loss(name: str, target: Tensor | None = None) -> regularizers.Regularizer:
    target = torch.full((3, 128, 128), 0.5, dtype=torch.float64) if target is None else target
    return PREPARED[name](target, torch.full_like(target[0], 1.0 / target[0].numel()))


def stripes(angle: float, size: int = 128) -> Tensor:
    """A picture whose edges run in this direction, radians clockwise from the right."""
    y, x = torch.meshgrid(*[torch.arange(size, dtype=torch.float64)] * 2, indexing="ij")
    return (0.5 + 0.4 * torch.sin(0.4 * (y * math.cos(angle) - x * math.sin(angle)))).expand(3, size, size)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_gradient(name: str) -> None:
    target = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    values = params(12)
    values[:4, :2] += 90.0  # some stick out
    free = torch.ones_like(values)
    if name in ("smoothness", "alignment"):  # these leave the rest as it is
        free = torch.zeros_like(values)
        free[:, 4] = 1.0
    chosen = loss(name, target)
    variable = values.clone().requires_grad_()
    assert gradcheck(lambda v: chosen(stamps(torch.where(free > 0, v, values), ratio=0.5)), variable, fast_mode=True)
    chosen(stamps(variable, ratio=0.5)).backward()
    assert variable.grad is not None
    assert variable.grad.any()
    assert not variable.grad[free == 0].any()


@pytest.mark.parametrize("name", REGULARIZERS)
def test_does_not_grow_with_the_canvas(name: str) -> None:
    coarse = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    losses = []
    for factor in (1, 4):
        target = interpolate(coarse[None], scale_factor=8 * factor, mode="bilinear")[0]
        values = params(30)
        values[:, :3] *= factor
        losses.append(loss(name, target)(stamps(values, 128 * factor, 128 * factor)).item())
    # Slopes are less on a larger canvas, and some of them faint.
    assert losses[1] == pytest.approx(losses[0], rel=0.2 if name == "alignment" else 1e-9)


def test_overlap_is_the_area_covered_twice() -> None:
    overlap = loss("overlap")
    area = math.pi * 8**2 / 128**2
    assert overlap(discs((60, 60))).item() == pytest.approx(0.0, abs=1e-12)
    assert overlap(discs((60, 60), (60, 60))).item() == pytest.approx(area, rel=0.05)
    assert overlap(discs((60, 60), (60, 60), opacity=0.5)).item() == pytest.approx(area / 4, rel=0.05)
    assert overlap(discs((60, 60), (60, 60), (60, 60))).item() == pytest.approx(3 * area, rel=0.05)
    assert overlap(discs((60, 60), (76, 60))).item() < 0.03 * area  # they touch
    assert overlap(discs((20, 60), (100, 60))).item() < 1e-9


def test_overlap_in_parts_is_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    values, gradients = [], []
    for chunk in (1000, 7):
        monkeypatch.setattr(regularizers, "CHUNK", chunk)
        variable = params(30).requires_grad_()
        value = loss("overlap")(stamps(variable))
        values.append(value.detach())
        (gradient,) = torch.autograd.grad(value, variable)
        gradients.append(gradient)
    assert torch.allclose(values[0], values[1])
    assert torch.allclose(gradients[0], gradients[1])


def test_size_and_opacity() -> None:
    assert loss("size")(discs((60, 60), (60, 60))).item() == pytest.approx(2 * math.pi * 8**2 / 128**2)
    for opacity, expected in ((0.0, 0.0), (0.1, 0.55), (1.0, 1.0)):
        assert loss("sparsity")(discs((60, 60), (60, 60), opacity=opacity)).item() == pytest.approx(expected)
    for opacity, expected in ((0.0, 0.0), (0.5, 1.0), (1.0, 0.0)):
        assert loss("decisive")(discs((60, 60), opacity=opacity)).item() == pytest.approx(expected)


def test_smoothness_sees_neighbors_alone() -> None:
    smoothness = loss("smoothness")
    values = params(200)
    values[:, 4] = 1.0
    values[::2, 4] += 2 * math.pi
    assert smoothness(stamps(values)).item() == pytest.approx(0.0, abs=1e-6)
    left = values[:, 0] < 64
    values[left, 4] += math.pi  # only those near the middle have neighbors that differ
    assert 0.01 < smoothness(stamps(values)).item() < 0.2
    values[:, 4] = torch.arange(200) % 2 * math.pi
    assert smoothness(stamps(values)).item() == pytest.approx(0.5, abs=0.1)
    assert smoothness(discs((60, 60))).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("angle", [0.0, 0.5, math.pi / 2, 2.2])
def test_alignment_lays_the_longer_axis_along_edges(angle: float) -> None:
    alignment = loss("alignment", stripes(angle))
    values = params(20)
    values[:, :2] = values[:, :2] / 2 + 32
    values[:, 3], values[:, 4] = 1.0, angle
    along, across = (alignment(stamps(values, ratio=ratio)).item() for ratio in (0.5, 2.0))
    assert along < 0.02
    assert across > 0.9
    values[:, 3] = 6.0  # stretched to be wide
    assert alignment(stamps(values, ratio=2.0)).item() < 0.02


def test_alignment_to_a_smaller_target() -> None:
    """A coarse stage of a fit has one: edges lie at the same share of the canvas."""
    target = stripes(0.0, 64).clone()
    target[:, :, 32:] = 0.5
    values = params(2)
    values[:, :2] = torch.tensor([[32.0, 64.0], [110.0, 64.0]])
    values[:, 3], values[:, 4] = 1.0, math.pi / 2
    assert loss("alignment", target)(stamps(values)).item() == pytest.approx(0.5, abs=0.05)


def test_alignment_asks_nothing_of_flat_places() -> None:
    assert loss("alignment")(stamps(params(20))).item() == pytest.approx(0.0, abs=1e-9)


def test_boundary_costs_more_the_farther_out() -> None:
    boundary = loss("boundary")
    assert boundary(discs((8, 64), (120, 120))).item() == pytest.approx(0.0, abs=1e-12)
    assert boundary(discs((0, 64))).item() == pytest.approx(0.25)
    costs = [boundary(discs((-distance, 64), (64, 128 + distance))).item() for distance in (8, 100, 1000)]
    assert costs[0] == pytest.approx(1.0)
    assert costs[1] > 10
    assert costs[2] > 10 * costs[1] * 0.9


def test_boundary_turns_with_the_primitive() -> None:
    values = torch.tensor([[64.0, 6.0, 20.0, 1.0, 0.0, 1.0, 0.5, 0.5, 0.5]], dtype=torch.float64)
    boundary = loss("boundary")
    assert boundary(stamps(values, ratio=0.25)).item() == pytest.approx(0.0, abs=1e-12)
    values[:, 4] = math.pi / 2
    assert boundary(stamps(values, ratio=0.25)).item() > 0.1


def test_stamps_of_templates() -> None:
    wide = np.full((10, 40, 4), 255, np.uint8)
    tall = np.full((30, 15, 4), 255, np.uint8)
    templates = Templates([Template("wide", wide), Template("tall", tall)])
    values = params(3)
    result = Stamps.of(values, torch.tensor([1, 0, 1]), templates, 50, 60)
    assert result.extent.tolist() == [[0.5, 1.0], [1.0, 0.25], [0.5, 1.0]]
    assert torch.allclose(result.area, values[:, 2] ** 2 * 4 * torch.tensor([0.5, 0.25, 0.5], dtype=torch.float64))
    u, v = result.half_axes
    assert torch.allclose(4 * u * v, result.area)


def test_combination_of_regularizers() -> None:
    given = stamps(params(10))
    combination = Combination({"overlap": 2.0, "size": 0.5}, torch.rand(3, 128, 128))
    expected = 2.0 * loss("overlap")(given) + 0.5 * loss("size")(given)
    assert combination.regularization(given).item() == pytest.approx(expected.item())
    assert Combination({}, torch.rand(3, 128, 128)).regularization(given).item() == 0.0


def test_many_primitives_need_little_memory() -> None:
    """Of 20,000 primitives a matrix of all pairs would take 1.6 GB."""
    values = params(20_000, 512).float()
    values[:, 2] *= 0.1
    for name in ("overlap", "smoothness"):
        assert torch.isfinite(loss(name)(stamps(values, 512, 512)))
