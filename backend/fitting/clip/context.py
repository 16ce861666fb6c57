"""The context that all frames of a clip's fit share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...engines import make_engine
from ...engines.interface import AdamRule, Engine
from ...job import Clip, Settings
from ...native.arrays import BoolArray, FloatArray, IntArray
from ...pictures.color import decode, encode
from ...templates import Templates
from ..constraints.limits import Bounds, StampLimits, bounded, locked_columns
from ..constraints.palette import palette_of
from ..constraints.usage import capacities
from ..goal import Goal
from ..noise import OPEN_CONTRAST, NoiseCanvas
from ..objective import Objective
from ..optimizer import decoding_slope
from ..primitives import as_composited
from ..random import Random
from ..recipe import DEFAULT, Recipe


@dataclass(frozen=True)
class Context:
    """The settings, limits and engine that all frames of a clip's fit share."""

    templates: Templates
    settings: Settings
    clip: Clip
    height: int
    width: int
    recipe: Recipe
    limits: StampLimits
    capacities: IntArray  # [T]
    palette: FloatArray | None  # [P, 3]
    locked: BoolArray  # [9] columns
    engine: Engine

    @classmethod
    def of(cls, goal: Goal, templates: Templates, settings: Settings, clip: Clip) -> Context:
        """Makes the context of a clip from the goal of its first frame."""
        height, width = goal.target.shape[1:]
        recipe = DEFAULT.continued()
        options = {"space": settings.space, "threads": settings.threads}
        engine = make_engine(settings.engine, templates, height, width, **options)  # type: ignore[arg-type]
        return cls(
            templates,
            settings,
            clip,
            height,
            width,
            recipe,
            StampLimits(templates, height, width, recipe.least_scale),
            capacities(templates, settings.count, settings.usage),
            palette_of(settings, goal.colors, goal.seen, Random(settings.seed)),
            locked_columns(settings.locked),
            engine,
        )

    @property
    def linear(self) -> bool:
        return self.settings.space == "linear"

    @property
    def fixed_columns(self) -> BoolArray:
        """The columns of params that never change: [9] bool. Colors of a palette are fixed during an appearance."""
        columns = self.locked.copy()
        columns[6:] |= self.palette is not None
        return columns

    def light(self, image: FloatArray) -> FloatArray:
        """Returns a display-encoded image [3, H, W] in the compositing space."""
        return decode(image) if self.linear else image

    def shown(self, image: FloatArray) -> FloatArray:
        """Returns a composited image [3, H, W] display-encoded: the inverse of light()."""
        return encode(image) if self.linear else image

    def composited(self, params: FloatArray) -> tuple[FloatArray, FloatArray | float]:
        """Returns params [N, 9] with colors as composited, and their derivative by the display-encoded ones [N, 3]."""
        if not self.linear:
            return params.copy(), 1.0
        return as_composited(params, True), decoding_slope(params[:, 6:])

    @property
    def spacing(self) -> float:
        """The mean spacing of the primitives, px."""
        return math.sqrt(self.height * self.width / self.settings.count)

    def rule(self, steps: int) -> AdamRule:
        return self.recipe.adam_rule(self.spacing, steps)

    def bounds(self, template: IntArray) -> Bounds:
        """Returns the bounds of primitives of these templates [N], by the stamps' limits and the recipe's."""
        return bounded(self.limits.bounds(template), self.recipe, self.height, self.width)

    def random(self, part: int) -> Random:
        """Returns the random numbers of one part of the fit, always the same."""
        return Random(self._seed(part))

    def objective(self, goal: Goal, part: int) -> Objective:
        """Returns the objective of a goal in one part of the fit, always with the same noise."""
        contrast = OPEN_CONTRAST if self.settings.transparent else 1.0
        return Objective(
            self.engine,
            goal,
            self.templates,
            self.settings.count,
            canvas=(self.height, self.width),
            noise=NoiseCanvas(self._seed(part), contrast),
            linear=self.linear,
        )

    def _seed(self, part: int) -> int:
        return self.settings.seed * 1_000_003 + part
