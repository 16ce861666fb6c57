"""How often each stamp is used, from the start on and when primitives are replaced."""

from __future__ import annotations

import numpy as np
import pytest

from backend.fitting.constraints.conflicts import Conflicts
from backend.fitting.constraints.usage import assign, capacities, match
from backend.fitting.random import Random
from backend.job import Limits, UserError
from backend.templates import Template, Templates
from tests.backend.support.twins import matching


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
        used = np.bincount(assign(np.array([count] * 7), count, Random(count)), minlength=7)
        assert used.sum() == count
        assert used.max() - used.min() <= 1
    assert np.bincount(assign(np.array([1, 50, 50]), 50, Random(0))).tolist() == [1, 25, 24]
    assert np.bincount(assign(np.array([6, 0, 4]), 10, Random(0))).tolist() == [6, 0, 4]


def test_the_start_spreads_each_stamp_evenly() -> None:
    template = assign(np.array([800, 200]), 1000, Random(0))
    assert all(10 <= int((part == 1).sum()) <= 30 for part in np.split(template, 10))


def no_conflicts(count: int) -> Conflicts:
    position = np.arange(count, dtype=np.float32).repeat(2).reshape(-1, 2) * 1000
    return Conflicts(position, np.ones(count, np.float32), separation=1.0)


def matched(
    loss: list[tuple[float, int]],
    gain: list[tuple[float, int]],
    counts: list[int],
    capacity: list[int],
    conflicts: Conflicts | None = None,
) -> list[tuple[int, int]]:
    losses, owners = np.array(loss, np.float32).T
    gains, templates = np.array(gain, np.float32).T
    removed, added = match(
        losses,
        owners.astype(np.int64),
        gains,
        templates.astype(np.int64),
        np.array(counts),
        np.array(capacity),
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


def test_nothing_to_match_is_no_error() -> None:
    none, no_index = np.zeros(0, np.float32), np.zeros(0, np.int64)
    one, counts = np.ones(1, np.float32), np.array([1])
    near = Conflicts(np.zeros((1, 2), np.float32), one, separation=1.0)
    assert len(match(none, no_index, one, np.array([0]), counts, counts, near)[0]) == 0
    assert len(match(one, np.array([0]), none, no_index, counts, counts, no_conflicts(0))[0]) == 0


def test_counts_never_exceed_capacities() -> None:
    random = Random(0)
    capacity = np.array([30, 20, 10])
    counts = np.array([20, 20, 5])
    owner = np.repeat(np.arange(3), counts)[np.argsort(random.uniform(45))]
    template = random.integers(3, 200)
    loss = np.sort(random.uniform(45))
    gain = np.sort(random.uniform(200) + np.float32(0.2))[::-1]
    removed, added = match(loss, owner, gain, template, counts, capacity, no_conflicts(200))
    assert len(removed) > 20
    assert (gain[added] > loss[removed]).all()
    assert len(np.unique(removed)) == len(removed)
    after = counts - np.bincount(owner[removed], minlength=3) + np.bincount(template[added], minlength=3)
    assert (after <= capacity).all()


@pytest.mark.parametrize("seed", range(6))
def test_pairs_are_those_of_the_twin(seed: int) -> None:
    """Crowded candidates of all sizes, with and without spacing, on canvases of all shapes."""
    random = Random(seed)
    canvas = np.array([(200, 200), (2000, 5), (0, 400)][seed % 3], np.float32)
    kinds, count, places, candidates = 4, 150, 60, 200
    counts, capacity = np.bincount(random.integers(kinds, count), minlength=kinds), np.array([50, 40, 45, 30])
    radius = random.uniform(candidates) ** 4 * np.float32(40.0)
    primitives = random.uniform(count, 2) * canvas
    conflicts = Conflicts(
        random.uniform(candidates, 2) * canvas * np.float32(1.1),
        radius,
        separation=0.3,
        spacing=3.0 if seed < 3 else 0.0,
        primitives=primitives,
        victims=np.argsort(random.uniform(count))[:places],
    )
    case = (
        np.sort(random.uniform(places)),
        random.integers(kinds, places),
        np.sort(random.uniform(candidates) + np.float32(0.3))[::-1],
        random.integers(kinds, candidates),
        counts,
        capacity,
        conflicts,
    )
    removed, added = match(*case)
    assert (removed.tolist(), added.tolist()) == matching.matched(*case)
    assert len(added) > 5


def alone(conflicts: Conflicts, victims: int) -> list[tuple[int, int]]:
    """Matches candidates that gain 9, the first one a little more, with victims that cost 1 to 2."""
    count = len(conflicts.position)
    removed, added = match(
        np.linspace(1, 2, victims, dtype=np.float32),
        np.zeros(victims, np.int64),
        np.linspace(9.5, 9, count, dtype=np.float32),
        np.zeros(count, np.int64),
        np.array([victims]),
        np.array([victims + count]),
        conflicts,
    )
    return list(zip(removed.tolist(), added.tolist(), strict=True))


def test_accepted_candidates_are_apart_as_all_pairs_say() -> None:
    random = Random(0)
    position, radius = random.uniform(400, 2) * np.float32(200), random.uniform(400) ** 4 * np.float32(40)
    pairs = alone(Conflicts(position, radius, separation=0.6, spacing=3.0), 400)
    accepted: list[int] = []
    for index in range(400):
        reach = np.maximum(0.6 * (radius[index] + radius[accepted]), 3.0)
        if not (np.hypot(*(position[index] - position[accepted]).T) < reach).any():
            accepted.append(index)
    assert [added for _, added in pairs] == accepted
    assert 20 < len(accepted) < 300


def test_candidates_keep_the_spacing_to_primitives_that_stay() -> None:
    primitives = np.array([[0, 0], [50, 0], [52, 0], [90, 0]], np.float32)

    def accepted(x: float, *victims: int) -> bool:
        candidate, radius = np.array([[x, 0]], np.float32), np.full(1, 0.1, np.float32)
        near = Conflicts(candidate, radius, 0.6, 5.0, primitives, np.array(victims))
        return len(alone(near, len(victims))) == 1

    assert not accepted(51.0, 1)  # primitive 2 stays
    assert not accepted(1.0, 3)  # so does 0 ...
    assert accepted(1.0, 0)  # ... unless it is what is replaced
    assert accepted(70.0, 0)
    candidates = np.array([[1, 0], [85.5, 0], [51, 0]], np.float32)
    near = Conflicts(candidates, np.full(3, 0.1, np.float32), 0.6, 5.0, primitives, np.array([0, 3, 1, 2]))
    assert alone(near, 4) == [(0, 0), (1, 1)]  # one of two neighbors may leave, but both are in the way
