"""How often each stamp is used, from the start on and when primitives are replaced."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.fitting.constraints.conflicts import Conflicts
from backend.fitting.constraints.usage import assign, capacities, match
from backend.job import Limits, UserError
from backend.templates import Template, Templates


def stamps(*limits: Limits) -> Templates:
    rgba = np.full((4, 4, 4), 255, np.uint8)
    return Templates([Template(str(i), rgba, limits=item) for i, item in enumerate(limits)])


def shares(*numbers: float, most: tuple[int, ...] = ()) -> Templates:
    most = most or (0,) * len(numbers)
    return stamps(*[Limits(share=share, most=m) for share, m in zip(numbers, most, strict=True)])


def test_free_use_is_limited_by_most_alone() -> None:
    assert capacities(shares(3, 0, 1, most=(0, 4, 99)), 10, "free").tolist() == [10, 4, 10]


@pytest.mark.parametrize(
    ("templates", "count", "numbers"),
    [
        (shares(3, 1, 1), 10, [6, 2, 2]),
        (shares(1, 1, 1), 10, [4, 3, 3]),  # the largest remainders, the first of equal ones
        (shares(0.5, 0.2, 0.3), 7, [4, 1, 2]),
        (shares(5, 0, 5), 4, [2, 0, 2]),
        (shares(8, 1, 1, most=(2, 0, 0)), 10, [2, 4, 4]),  # the rest goes to the others
        (shares(8, 4, 1, most=(2, 3, 0)), 10, [2, 3, 5]),
        (shares(1, 1, most=(5, 5)), 10, [5, 5]),
        (shares(1e-3, 1e6), 3, [0, 3]),
        (shares(1, 1, 1), 1, [1, 0, 0]),
    ],
)
def test_shares(templates: Templates, count: int, numbers: list[int]) -> None:
    assert capacities(templates, count, "shares").tolist() == numbers


def test_too_few_uses_are_named_before_the_fit() -> None:
    words = "27 stamps at most 3 times each make 81 primitives, but 1,000 are needed"
    with pytest.raises(UserError, match=words):
        capacities(stamps(*[Limits(most=3)] * 27), 1000, "free")
    with pytest.raises(UserError, match="1 stamp at most 1 time makes 1 primitive, "):
        capacities(shares(0, 2, most=(0, 1)), 5, "shares")
    with pytest.raises(UserError, match="2 stamps at most 1 to 2 times make 3 primitives, "):
        capacities(shares(1, 2, most=(2, 1)), 5, "shares")
    with pytest.raises(UserError, match="shares of all stamps are 0"):
        capacities(shares(0, 0), 5, "shares")


def test_the_start_repeats_none_before_all_are_used() -> None:
    for count in (2, 7, 100):
        template = assign(torch.tensor([count] * 7), count, torch.Generator().manual_seed(count))
        used = torch.bincount(template, minlength=7)
        assert used.sum() == count
        assert used.max() - used.min() <= 1
    assert torch.bincount(assign(torch.tensor([1, 50, 50]), 50, torch.Generator())).tolist() == [1, 25, 24]
    assert torch.bincount(assign(torch.tensor([6, 0, 4]), 10, torch.Generator())).tolist() == [6, 0, 4]


def test_the_start_spreads_each_stamp_evenly() -> None:
    template = assign(torch.tensor([800, 200]), 1000, torch.Generator().manual_seed(0))
    assert all(10 <= int((part == 1).sum()) <= 30 for part in template.split(100))


def no_conflicts(count: int) -> Conflicts:
    return Conflicts(torch.arange(count).repeat(2, 1).T * 1000.0, torch.ones(count), separation=1.0)


def matched(
    loss: list[tuple[float, int]],
    gain: list[tuple[float, int]],
    counts: list[int],
    capacity: list[int],
    conflicts: Conflicts | None = None,
) -> list[tuple[int, int]]:
    losses, owners = torch.tensor(loss).T
    gains, templates = torch.tensor(gain).T
    removed, added = match(
        losses,
        owners.long(),
        gains,
        templates.long(),
        torch.tensor(counts),
        torch.tensor(capacity),
        conflicts or no_conflicts(len(gain)),
    )
    return list(zip(removed.tolist(), added.tolist(), strict=True))


def test_with_room_the_best_candidates_replace_the_least_useful() -> None:
    pairs = matched([(1, 0), (2, 1), (6, 0)], [(9, 1), (7, 0), (5, 1)], [10, 10], [99, 99])
    assert pairs == [(0, 0), (1, 1)]  # 5 is not more than 6


def test_without_room_a_stamp_replaces_its_own() -> None:
    pairs = matched([(1, 0), (2, 0), (3, 1), (8, 1)], [(9, 1), (8, 1), (7, 0), (6, 0)], [5, 5], [5, 5])
    assert pairs == [(2, 0), (0, 2), (1, 3)]  # the second would cost as much as it gains


def test_room_is_kept_count_of() -> None:
    # The first takes the last room of stamp 1 and makes room for stamp 0.
    pairs = matched([(1, 0), (2, 0), (3, 1), (4, 2)], [(9, 1), (8, 1), (7, 0), (6, 0)], [5, 4, 1], [5, 5, 1])
    assert pairs == [(0, 0), (2, 1), (1, 2), (3, 3)]
    assert matched([(1, 0)], [(9, 1)], [5, 5], [5, 5]) == []


def test_counts_never_exceed_capacities() -> None:
    generator = torch.Generator().manual_seed(0)
    capacity = torch.tensor([30, 20, 10])
    counts = torch.tensor([20, 20, 5])
    owner = torch.arange(3).repeat_interleave(counts)[torch.randperm(45, generator=generator)]
    template = torch.randint(3, (200,), generator=generator)
    loss = torch.rand(45, generator=generator).sort().values
    gain = torch.rand(200, generator=generator).add(0.2).sort(descending=True).values
    removed, added = match(loss, owner, gain, template, counts, capacity, no_conflicts(200))
    assert len(removed) > 20
    assert (gain[added] > loss[removed]).all()
    assert len(removed.unique()) == len(removed)
    after = counts - torch.bincount(owner[removed], minlength=3) + torch.bincount(template[added], minlength=3)
    assert (after <= capacity).all()


def test_accepted_candidates_are_apart_as_all_pairs_say() -> None:
    generator = torch.Generator().manual_seed(0)
    position, radius = torch.rand(400, 2, generator=generator) * 200, torch.rand(400, generator=generator) ** 4 * 40
    conflicts = Conflicts(position, radius, separation=0.6, spacing=3.0)
    accepted: list[int] = []
    for index in range(400):
        reach = (0.6 * (radius[index] + radius[accepted])).clamp_min(3.0)
        free = not bool(((position[index] - position[accepted]).norm(dim=1) < reach).any())
        assert conflicts.accept(index, 0) == free
        if free:
            accepted.append(index)
    assert 20 < len(accepted) < 300


def test_candidates_keep_the_spacing_to_primitives_that_stay() -> None:
    primitives = torch.tensor([[0.0, 0.0], [50.0, 0.0], [52.0, 0.0], [90.0, 0.0]])
    candidates = torch.tensor([[51.0, 0.0], [1.0, 0.0], [50.5, 0.0], [89.0, 0.0]])
    radius = torch.full((4,), 0.1)
    conflicts = Conflicts(
        candidates, radius, separation=0.6, spacing=5.0, primitives=primitives, victims=torch.tensor([1, 0, 3])
    )
    assert not conflicts.accept(0, 0)  # primitive 2 stays
    assert not conflicts.accept(1, 2)  # so does 0 ...
    assert conflicts.accept(1, 1)  # ... unless it is what is replaced
    assert not conflicts.accept(2, 0)
    assert conflicts.accept(3, 2)
