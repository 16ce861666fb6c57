"""Conflicts of candidates that would lie on each other, so that only one of them may be accepted."""

from __future__ import annotations

from dataclasses import dataclass

from ...native.arrays import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Conflicts:
    """Says which candidates may be accepted together, and beside the primitives that stay: usage.match decides by it.

    Two candidates conflict within `separation` times the sum of their radii, where both gain by the same error, or
    within the spacing; a candidate and a primitive that stays conflict within the spacing.
    """

    position: FloatArray  # [M, 2] px, of the candidates
    radius: FloatArray  # [M] px
    separation: float
    spacing: float = 0.0  # px; 0 = primitives do not matter
    primitives: FloatArray | None = None  # [N, 2] px, of all primitives
    victims: IntArray | None = None  # [K] index into primitives: those that may be replaced
