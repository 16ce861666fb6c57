"""What may be drawn as candidates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ...native.arrays import FloatArray, IntArray
from ...templates import Templates
from ..constraints.limits import StampLimits
from .orientation import long_axes


@dataclass(frozen=True, eq=False)
class Choice:
    """The range of candidates: templates, their limits and capacities, the palette."""

    templates: Templates
    limits: StampLimits
    capacities: IntArray  # [T] greatest number of each template, and weight in drawing it
    palette: FloatArray | None = None  # [P, 3] display-encoded

    @cached_property
    def long_axes(self) -> FloatArray:
        """The direction of each stamp's longer axis: [T] radians from its u axis."""
        return long_axes(self.templates)
