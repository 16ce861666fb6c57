from __future__ import annotations

import itertools

import torch
from torch import Tensor

from backend.fitting.clip.paths import Paths

FRAMES, COUNT = 14, 5


def some() -> tuple[Paths, Tensor, Tensor]:
    """Paths with clocks that rest and appearances that end, where they begin, and their rates."""
    generator = torch.Generator().manual_seed(1)
    begins = torch.rand(FRAMES, COUNT, generator=generator) < 0.15
    rate = torch.rand(FRAMES, COUNT, generator=generator)
    rate[torch.rand(FRAMES, COUNT, generator=generator) < 0.3] = 0.0
    rate[:, 0], begins[:, 0] = 0.0, False  # one that never moves
    return Paths.of(begins, rate), begins, rate


def test_weights_sum_to_one_and_points_belong_to_one_primitive() -> None:
    paths, _, _ = some()
    torch.testing.assert_close(paths.weight.sum(2), torch.ones(FRAMES, COUNT))
    for j in range(4):
        assert (paths.owner[paths.base + j] == torch.arange(COUNT)).all()
    assert paths.first.sum() == paths.last.sum()


def test_appearances_share_no_points() -> None:
    paths, begins, _ = some()
    for index in range(COUNT):
        starts = [0, *(begins[1:, index].nonzero()[:, 0] + 1).tolist(), FRAMES]
        spans = [
            set(range(int(paths.base[a, index]), int(paths.base[b - 1, index]) + 4))
            for a, b in itertools.pairwise(starts)
        ]
        assert sum(map(len, spans)) == len(set().union(*spans)) == int((paths.owner == index).sum())


def test_what_rests_stays_bit_for_bit() -> None:
    paths, begins, rate = some()
    points = torch.randn(paths.size, 9, generator=torch.Generator().manual_seed(2))
    values = torch.stack([paths.at(points, frame) for frame in range(FRAMES)])
    resting = (rate[1:] == 0) & ~begins[1:]
    assert resting.sum() > 10
    assert torch.equal(values[1:][resting], values[:-1][resting])


def test_add_is_the_transposed_of_at_and_unbent_of_bent() -> None:
    """<A p, v> = <p, A' v> in float64: to rounding."""
    paths, _, _ = some()
    paths = Paths(paths.base, paths.weight.double(), paths.owner, paths.first, paths.last)
    generator = torch.Generator().manual_seed(3)
    points = torch.randn(paths.size, 2, generator=generator, dtype=torch.float64)
    who = torch.tensor([3, 1])
    values = torch.randn(2, 2, generator=generator, dtype=torch.float64)
    total = torch.zeros_like(points)
    paths.add(total, values, 7, who)
    torch.testing.assert_close((paths.at(points, 7, who) * values).sum(), (points * total).sum(), rtol=1e-12, atol=0)
    bends = torch.randn_like(points)
    torch.testing.assert_close((paths.bent(points) * bends).sum(), (points * paths.unbent(bends)).sum())


def test_a_cubic_in_even_time_is_fitted_exactly() -> None:
    """Cubic splines hold all cubics; what is left is that of conjugate gradients in float32."""
    times = torch.arange(FRAMES).float() / FRAMES
    wanted = (1.0 - 3.0 * times + 2.0 * times**2 - 0.5 * times**3)[:, None, None].expand(-1, 2, 3)
    paths = Paths.of(torch.zeros(FRAMES, 2, dtype=torch.bool), torch.full((FRAMES, 2), 0.25))
    points = paths.fitted(list(wanted), stiffness=1e-6)
    found = torch.stack([paths.at(points, frame) for frame in range(FRAMES)])
    torch.testing.assert_close(found, wanted, atol=2e-3, rtol=0)


def test_a_single_frame_and_no_primitive() -> None:
    one = Paths.of(torch.zeros(1, 3, dtype=torch.bool), torch.zeros(1, 3))
    values = torch.rand(3, 9)
    torch.testing.assert_close(one.at(one.fitted([values]), 0), values, atol=1e-4, rtol=0)
    none = Paths.of(torch.zeros(2, 0, dtype=torch.bool), torch.zeros(2, 0))
    assert none.size == 0
