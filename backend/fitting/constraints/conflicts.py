"""Conflicts of candidates that would lie on each other, so that only one of them may be accepted."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from .spacing import pairs_within

_ROUNDING = 1e-9
"""Margin of the reach (relative, and in px) in the search of neighbors; the conflict itself is decided exactly."""


class Conflicts:
    """Decides which candidates are accepted together, and beside the primitives that stay.

    Two candidates conflict within `separation` times the sum of their radii, where both gain by the same error, or
    within the spacing; a candidate and a primitive that stays conflict within the spacing.
    """

    def __init__(
        self,
        position: Tensor,  # [M, 2] px, of the candidates
        radius: Tensor,  # [M] px
        *,
        separation: float,
        spacing: float = 0.0,  # px; 0 = primitives do not matter
        primitives: Tensor | None = None,  # [N, 2] px, of all primitives
        victims: Tensor | None = None,  # [K] index into primitives: those that may be replaced
    ) -> None:
        points = position.double().numpy()
        # In the order of x, so that the candidates within reach are a run.
        order = np.argsort(points[:, 0], kind="stable")
        self._x, self._y = points[order, 0], points[order, 1]
        self._radius = separation * radius.double().numpy()[order]
        self._spacing = spacing
        self._refused = np.zeros(len(points), np.bool_)
        reach = np.maximum(self._radius + self._radius.max(initial=0.0), spacing) * (1.0 + _ROUNDING) + _ROUNDING
        self._first = np.searchsorted(self._x, self._x - reach).tolist()
        self._end = np.searchsorted(self._x, self._x + reach, side="right").tolist()
        self._rank: list[int] = np.argsort(order).tolist()
        self._victims: list[int] = [] if victims is None else victims.tolist()
        self._removed: set[int] = set()
        self._near: dict[int, list[int]] = {}
        if spacing > 0.0 and primitives is not None:
            for candidates, near in pairs_within(primitives.double().numpy(), points, spacing):
                for candidate, primitive in zip(candidates.tolist(), near.tolist(), strict=True):
                    self._near.setdefault(candidate, []).append(primitive)

    def accept(self, candidate: int, victim: int) -> bool:
        """Accepts a candidate in place of a victim (index into victims). Returns False if it has a conflict."""
        rank = self._rank[candidate]
        if self._refused[rank]:
            return False
        if self._victims:
            primitive = self._victims[victim]
            near = self._near.get(candidate, ())
            if any(other != primitive and other not in self._removed for other in near):
                return False
            self._removed.add(primitive)
        run = slice(self._first[rank], self._end[rank])
        apart = np.square(self._x[run] - self._x[rank]) + np.square(self._y[run] - self._y[rank])
        reach = np.square(self._radius[run] + self._radius[rank])
        self._refused[run] |= apart < np.maximum(reach, self._spacing * self._spacing)
        return True
