"""Palettes, given or taken from a picture."""

from __future__ import annotations

import pytest
import torch

from backend.fitting.constraints.palette import best_of_palette, extract, nearest, oklab, palette_of
from backend.job import Settings


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flat_areas(*colors: tuple[float, float, float], size: int = 12) -> torch.Tensor:
    return torch.tensor(colors).T[:, :, None].expand(3, len(colors), size).contiguous()


def test_oklab_of_known_colors() -> None:
    known = oklab(torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    expected = [[1, 0, 0], [0, 0, 0], [0.6280, 0.2249, 0.1258], [0.4520, -0.0325, -0.3115]]
    assert torch.allclose(known, torch.tensor(expected), atol=2e-4)


def test_colors_of_flat_areas_are_found_exactly() -> None:
    colors = ((0.2, 0.4, 0.6), (0.2, 0.4, 0.8), (1.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    for size in (4, 9):  # not more than there are
        palette = extract(flat_areas(*colors), None, size, generator())
        assert sorted(map(tuple, palette.tolist())) == sorted(map(tuple, torch.tensor(colors).tolist()))
    assert palette[0].tolist() == [0, 0, 0]
    assert len(extract(flat_areas(*colors), None, 2, generator())) == 2


def test_weight_says_which_colors_there_are() -> None:
    target = flat_areas((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    weight = torch.tensor([1.0, 0.0, 1.0])[:, None].expand(3, 12)
    assert extract(target, weight, 5, generator()).tolist() == [[0, 0, 1], [1, 0, 0]]
    heavy = torch.tensor([1.0, 99.0, 0.0])[:, None].expand(3, 12)
    assert extract(target, heavy, 1, generator())[0].tolist() == pytest.approx([0.01, 0.99, 0], abs=0.005)


def test_palette_of_a_picture_stands_for_it_and_is_repeatable() -> None:
    y, x = torch.linspace(0, 1, 50)[:, None], torch.linspace(0, 1, 70)[None]
    target = torch.stack([x.expand(50, 70), y.expand(50, 70), (x * y).expand(50, 70)])
    palette = extract(target, None, 16, generator(3))
    assert palette.shape == (16, 3)
    assert torch.equal(palette, extract(target, None, 16, generator(3)))
    assert torch.allclose(palette * 255, (palette * 255).round(), atol=1e-4)
    pixels = target.reshape(3, -1).T
    quantized = palette[nearest(pixels, palette)]
    random = torch.rand(16, 3, generator=generator())
    assert (quantized - pixels).square().mean() < 0.5 * (random[nearest(pixels, random)] - pixels).square().mean()
    assert (quantized - pixels).square().mean() < 0.009


def test_nearest_and_best_agree_with_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.fitting.constraints.palette._CHUNK", 100)
    palette = torch.rand(7, 3, generator=generator())
    s, a = torch.rand(50, 3, generator=generator(1)), torch.rand(50, 3, generator=generator(2))
    cost = a[:, None] * palette.square() - 2 * s[:, None] * palette
    assert torch.equal(best_of_palette(s, a, palette), cost.sum(2).argmin(1))
    assert torch.equal(nearest(s, palette), torch.cdist(s, palette).argmin(1))


def test_palette_of_settings() -> None:
    target = flat_areas((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    assert palette_of(Settings(), target, None, generator()) is None
    given = palette_of(Settings(palette=[(0.5, 0.5, 0.5), (0.5, 0.5, 0.5), (0, 0, 1)]), target, None, generator())
    assert given is not None
    assert given.tolist() == [[0.5, 0.5, 0.5], [0, 0, 1]]
    taken = palette_of(Settings(palette_size=2), target, None, generator())
    assert taken is not None
    assert len(taken) == 2
