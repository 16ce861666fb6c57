"""Usage of stamps: shares, greatest numbers, and equal use at the start."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...job import UserError, quoted
from ...templates import Templates
from .conflicts import Conflicts

IntArray = NDArray[np.int64]


def capacities(templates: Templates, count: int, usage: str) -> Tensor:
    """Returns the greatest number of primitives of each template, out of `count`: [T] int64.

    usage "free": the `most` of its limits. "shares": its exact number by the `share` of its limits; they sum to count.
    A share beyond its `most` goes to the others.

    Raises UserError where the stamps together allow fewer than `count` primitives.
    """
    limits = [item.limits for item in templates.items]
    most = np.array([min(item.most or count, count) for item in limits])
    share = np.array([item.share for item in limits])
    if usage == "shares":
        if not share.any():
            raise UserError("The shares of all stamps are 0, so none would be used: give at least one a share above 0")
        most[share == 0] = 0
    if most.sum() < count:
        raise UserError(_too_few(templates, int(most.sum()), count, usage))
    return torch.from_numpy(divided(share, most, count) if usage == "shares" else most)


def check_usage(template: Tensor, templates: Templates) -> None:
    """Raises UserError where primitives to continue from use a template [N] more often than its limits allow."""
    for item, used in zip(templates.items, template.bincount(minlength=len(templates)).tolist(), strict=True):
        most = item.limits.most
        if 0 < most < used:
            raise UserError(
                f"The layout to continue from uses the stamp {quoted(item.name)} {used:,} times, but {most:,} is the "
                "most: raise that, or start without the layout"
            )


def assign(capacity: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Returns the templates of `count` primitives to start with: [N] int64.

    All are used equally often, within their capacity [T]. Each is spread evenly over the sequence, so that its copies
    are apart where primitives follow a curve over the canvas.
    """
    most = capacity.numpy()
    used = torch.from_numpy(divided(np.ones(len(most)), most, count))
    template = torch.arange(len(most)).repeat_interleave(used)
    use = torch.arange(count) - (used.cumsum(0) - used)[template]
    place = (use + torch.rand(count, generator=generator, dtype=torch.float64)) / used[template]
    return template[place.argsort(stable=True)]


def match(
    loss: Tensor,  # [K] ascending: what removing each of K primitives costs
    loss_template: Tensor,  # [K]
    gain: Tensor,  # [M] descending: what adding each of M candidates gains
    gain_template: Tensor,  # [M]
    counts: Tensor,  # [T] primitives of each template
    capacity: Tensor,  # [T]
    conflicts: Conflicts,
) -> tuple[Tensor, Tensor]:
    """Matches primitives that leave with candidates that replace them: indices into loss [P] and into gain [P].

    A candidate whose template has room replaces the least useful primitive that is left, any other the least useful one
    of its own template. In both cases it must gain more than that one costs, and have no conflict.
    """
    cost, owner = loss.tolist(), loss_template.tolist()
    room = (capacity - counts).tolist()
    left = _Queues(owner, len(room))
    removed, added = [], []
    for candidate, (value, template) in enumerate(zip(gain.tolist(), gain_template.tolist(), strict=True)):
        worst = left.first()
        if worst is None or value <= cost[worst]:
            break
        victim = worst if room[template] > 0 else left.first_of(template)
        if victim is None or value <= cost[victim] or not conflicts.accept(candidate, victim):
            continue
        left.take(victim)
        room[owner[victim]] += 1
        room[template] -= 1
        removed.append(victim)
        added.append(candidate)
    return torch.tensor(removed, dtype=torch.int64), torch.tensor(added, dtype=torch.int64)


class _Queues:
    """Primitives by usefulness, the least useful first: of all templates, and of each."""

    def __init__(self, owner: list[int], templates: int) -> None:
        self._taken = [False] * len(owner)
        self._all = list(range(len(owner)))[::-1]
        self._own: list[list[int]] = [[] for _ in range(templates)]
        for index in self._all:
            self._own[owner[index]].append(index)

    def first(self) -> int | None:
        return self._first(self._all)

    def first_of(self, template: int) -> int | None:
        return self._first(self._own[template])

    def take(self, index: int) -> None:
        self._taken[index] = True

    def _first(self, queue: list[int]) -> int | None:
        while queue and self._taken[queue[-1]]:
            queue.pop()
        return queue[-1] if queue else None


def divided(share: NDArray[np.float64], most: IntArray, count: int) -> IntArray:
    """Divides count into whole numbers by shares, none above its `most`: [T].

    It takes the largest remainders. `most` must sum to at least count, and be 0 where the share is.
    """
    result = np.zeros(len(most), np.int64)
    open_ = most > 0
    # Those above their `most` get that, and the others divide the rest.
    while open_.any():
        exact = share * open_ / share[open_].sum() * (count - result.sum())
        full = open_ & (exact >= most)
        if not full.any():
            whole = np.floor(exact).astype(np.int64)
            rest = count - result.sum() - whole.sum()
            whole[np.argsort(whole - exact, kind="stable")[:rest]] += 1
            return result + whole
        result[full] = most[full]
        open_ &= ~full
    return result


def _too_few(templates: Templates, possible: int, count: int, usage: str) -> str:
    counted = [item for item in templates.items if usage == "free" or item.limits.share > 0]
    most = sorted({item.limits.most or count for item in counted})
    stamps = f"{len(counted)} stamp{'s' if len(counted) > 1 else ''}"
    often, each = f"{most[0]} time{'s' if most[0] > 1 else ''}", " each" if len(counted) > 1 else ""
    if len(most) > 1:
        often, each = f"{most[0]} to {most[-1]} times", ""
    make = "make" if len(counted) > 1 else "makes"
    primitives = f"{possible:,} primitive{'s' if possible > 1 else ''}"
    return (
        f"{stamps} at most {often}{each} {make} {primitives}, but {count:,} are needed: "
        f"set the count to {possible:,} at most, or raise how often a stamp may be used"
    )
