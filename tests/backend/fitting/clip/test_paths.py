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


def test_values_lie_between_their_control_points() -> None:
    """So that limits which hold for these hold for all of the path."""
    paths, _, _ = some()
    points = torch.randn(paths.size, 9, generator=torch.Generator().manual_seed(4))
    for frame in range(FRAMES):
        four = torch.stack([points[paths.base[frame] + j] for j in range(4)])
        values = paths.at(points, frame)
        assert (values <= four.amax(0) + 1e-6).all()
        assert (values >= four.amin(0) - 1e-6).all()


def test_the_weights_at_a_knot_and_between_two() -> None:
    """The clock goes on by half a knot: 1/6, 2/3, 1/6 at knots, and 1, 23, 23, 1 of 48 midway."""
    paths = Paths.of(torch.zeros(3, 1, dtype=torch.bool), torch.full((3, 1), 0.5))
    assert paths.base[:, 0].tolist() == [0, 0, 1]
    wanted = torch.tensor([[8, 32, 8, 0], [1, 23, 23, 1], [8, 32, 8, 0]]) / 48
    torch.testing.assert_close(paths.weight[:, 0], wanted)
    assert paths.size == 5


def test_even_control_points_make_an_even_path_without_bends() -> None:
    paths = Paths.of(torch.zeros(FRAMES, 1, dtype=torch.bool), torch.full((FRAMES, 1), 0.25))
    points = torch.arange(paths.size).float()[:, None]
    steps = torch.stack([paths.at(points, frame) for frame in range(FRAMES)]).diff(dim=0)
    torch.testing.assert_close(steps, torch.full_like(steps, 0.25))
    assert not paths.bent(points).any()


def test_a_stiff_path_is_the_straight_line_through_a_zigzag() -> None:
    times = torch.arange(FRAMES).float()
    zigzag = (2.0 * times + (-1.0) ** times)[:, None, None]
    paths = Paths.of(torch.zeros(FRAMES, 1, dtype=torch.bool), torch.ones(FRAMES, 1))
    loose, stiff = (paths.fitted(list(zigzag), stiffness) for stiffness in (1e-6, 1e3))
    found = [torch.stack([paths.at(points, frame) for frame in range(FRAMES)]) for points in (loose, stiff)]
    assert (found[0] - zigzag).abs().max() < 0.1
    assert (found[1] - 2.0 * times[:, None, None]).abs().max() < 0.4
    torch.testing.assert_close(found[1].mean(), zigzag.mean(), atol=1e-2, rtol=0)


def test_the_pace_of_an_even_clock_is_its_rate() -> None:
    rate = torch.tensor([0.25, 0.5, 1.0]).expand(FRAMES, 3)
    paths = Paths.of(torch.zeros(FRAMES, 3, dtype=torch.bool), rate)
    reached = torch.zeros(paths.size, 1)
    for frame in range(FRAMES):
        paths.add(reached, torch.ones(3, 1), frame)
    own = reached[:, 0] > 1e-3
    torch.testing.assert_close(paths.pace(rate)[own], torch.tensor([0.25, 0.5, 1.0])[paths.owner[own]])
