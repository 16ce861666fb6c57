"""The schedule of the recipe `default`: all that depends on the progress."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..recipe import Recipe


@dataclass(frozen=True)
class Moment:
    """The values of a schedule at one step."""

    shrink: int  # canvas pixels per pixel of the fitted picture: a power of two
    bias: float  # texels per canvas pixel that choose mip levels
    rate: float  # factor on all steps of the optimizer
    limited: bool  # draw only colors of the palette
    relocated: float  # share of the primitives that may relocate; 0 = no relocation in this step
    rows: int  # the step visits one row of the picture in so many
    phase: float  # losses compare within a phase; a later phase has a more finished picture


@dataclass(frozen=True)
class Schedule:
    """The course of a fit by a recipe: from a small, soft picture and large steps to a full, sharp one and small steps.

    Progress is the share of the steps that is done, from 0 to 1, or of the time limit where that is more.
    """

    recipe: Recipe
    size: float  # longer side of the canvas, px
    height: float  # of the canvas, px
    spacing: float  # mean spacing of the primitives, px
    shrinks: bool = True  # whether smaller pictures may be fitted at first
    relocates: bool = True  # whether primitives may relocate
    palette: bool = False  # whether there is a palette
    samples: bool = True  # whether steps may visit a part of the rows

    def at(self, step: int, progress: float) -> Moment:
        """Returns the moment at this step and progress."""
        recipe, shrink, bias = self.recipe, self.shrink_at(progress), self.bias_at(progress)
        relocated = self._relocated_at(step, progress)
        rows = 1 if relocated > 0 or progress >= recipe.fewer_rows_until else self._rows_at(shrink)
        limited = self.palette and progress >= recipe.palette_from
        # The loss of some rows is an estimate, which is never compared with that of all.
        phase = (-shrink if shrink > 1 or bias != recipe.bias else int(limited)) - 0.5 * (rows > 1)
        return Moment(shrink, bias, self.rate_at(progress), limited, relocated, rows, phase)

    def shrink_at(self, progress: float) -> int:
        recipe = self.recipe
        if not self.shrinks:
            return 1
        room = max(1.0, min(self.size / recipe.working_size, self.spacing / recipe.working_spacing))
        octaves = math.ceil(math.floor(math.log2(room)) * (1.0 - progress / recipe.full_size_from))
        return 1 << max(0, octaves)

    def bias_at(self, progress: float) -> float:
        recipe = self.recipe
        if progress >= recipe.soften_until:
            return recipe.bias
        return recipe.first_bias * (recipe.bias / recipe.first_bias) ** (progress / recipe.soften_until)

    def rate_at(self, progress: float) -> float:
        recipe = self.recipe
        if progress <= recipe.hold:
            return recipe.full_rate
        wave = 0.5 * (1.0 + math.cos(math.pi * (progress - recipe.hold) / (1.0 - recipe.hold)))
        return recipe.full_rate * (recipe.last_rate + (1.0 - recipe.last_rate) * wave)

    def _relocated_at(self, step: int, progress: float) -> float:
        recipe = self.recipe
        due = (step + 1) % recipe.relocate_every == 0 and progress < recipe.relocate_until
        return recipe.relocated * (1.0 - progress) if self.relocates and due else 0.0

    def _rows_at(self, shrink: int) -> int:
        recipe = self.recipe
        enough = self.height >= recipe.fewest_rows * recipe.fewer_rows * shrink
        return (
            recipe.fewer_rows if self.samples and enough and self.spacing >= recipe.fewer_rows_spacing * shrink else 1
        )
