"""Which of many candidates for a place may not be accepted together, because they would lie on each other."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from .spacing import IndexArray, pairs_within

_NONE = np.zeros(0, np.int64)


class Conflicts:
    """Candidates that exclude each other, and those that primitives exclude which stay where they are.

    Two candidates conflict within `separation` times the sum of their radii, where both gain by the same error, or
    within the spacing; a candidate and a primitive that stays, within the spacing.
    """

    def __init__(
        self,
        position: Tensor,  # [M, 2] px, of the candidates
        radius: Tensor,  # [M] px
        *,
        separation: float,
        spacing: float = 0.0,  # px; 0: the primitives do not matter
        primitives: Tensor | None = None,  # [N, 2] px: where all primitives are now
        victims: Tensor | None = None,  # [K] index into primitives: those that may be replaced
    ) -> None:
        points = position.double().numpy()
        self._refused = np.zeros(len(points), np.bool_)
        self._start, self._other = _grouped(
            *_conflicting(points, separation * radius.double().numpy(), spacing), len(points)
        )
        self._victims: list[int] = [] if victims is None else victims.tolist()
        self._removed: set[int] = set()
        self._near: dict[int, list[int]] = {}
        if spacing > 0.0 and primitives is not None:
            for candidates, near in pairs_within(primitives.double().numpy(), points, spacing):
                for candidate, primitive in zip(candidates.tolist(), near.tolist(), strict=True):
                    self._near.setdefault(candidate, []).append(primitive)

    def accept(self, candidate: int, victim: int) -> bool:
        """Accepts the candidate in place of the victim (index into victims), or says that it may not be."""
        if self._refused[candidate]:
            return False
        if self._victims:
            primitive = self._victims[victim]
            near = self._near.get(candidate, ())
            if any(other != primitive and other not in self._removed for other in near):
                return False
            self._removed.add(primitive)
        self._refused[self._other[self._start[candidate] : self._start[candidate + 1]]] = True
        return True


def _conflicting(
    points: np.ndarray[tuple[int, ...], np.dtype[np.float64]],  # [M, 2]
    radius: np.ndarray[tuple[int, ...], np.dtype[np.float64]],  # [M]
    spacing: float,
) -> tuple[IndexArray, IndexArray]:
    """All pairs of candidates that conflict, in both orders."""
    # By octaves of the radius, each with all smaller ones: a grid of cells fits only what is of one size.
    octave = np.frexp(radius.clip(1e-3))[1]
    first, second = [_NONE], [_NONE]
    for power in np.unique(octave):
        large, upto = np.flatnonzero(octave == power), np.flatnonzero(octave <= power)
        for i, j in pairs_within(points[upto], points[large], 2.0 * float(2.0**power)):
            a, b = large[i], upto[j]
            apart = np.square(points[a] - points[b]).sum(1)
            near = apart < np.square(radius[a] + radius[b])
            first += [a[near], b[near]]
            second += [b[near], a[near]]
    if spacing > 0.0:
        for i, j in pairs_within(points, points, spacing):
            first.append(i)
            second.append(j)
    return np.concatenate(first), np.concatenate(second)


def _grouped(first: IndexArray, second: IndexArray, count: int) -> tuple[IndexArray, IndexArray]:
    """The pairs by their first: the second ones of i are other[start[i] : start[i + 1]]."""
    order = np.argsort(first, kind="stable")
    start = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(first, minlength=count), out=start[1:])
    return start, second[order]
