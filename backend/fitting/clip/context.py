"""The context that all frames of a clip's fit share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...engines import make_rasterizer
from ...engines.interface import AdamRule, Rasterizer
from ...job import Clip, Settings
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
from ..recipe import DEFAULT, Recipe


@dataclass(frozen=True)
class Context:
    """The settings, limits, engine and noise that all frames of a clip's fit share."""

    templates: Templates
    settings: Settings
    clip: Clip
    height: int
    width: int
    recipe: Recipe
    limits: StampLimits  # on the engine's device
    capacities: Tensor  # [T] on the CPU
    palette: Tensor | None  # [P, 3] on the engine's device
    locked: Tensor  # [9] bool, columns
    rasterizer: Rasterizer
    noise: NoiseCanvas

    @classmethod
    def of(cls, goal: Goal, templates: Templates, settings: Settings, clip: Clip) -> Context:
        """Makes the context of a clip from the goal of its first frame."""
        height, width = goal.target.shape[1:]
        recipe, linear = DEFAULT.continued(), settings.space == "linear"
        options = {"space": settings.space, "threads": settings.threads}
        rasterizer = make_rasterizer(settings.engine, templates, height, width, **options)  # type: ignore[arg-type]
        device = rasterizer.torch_device
        generator = torch.Generator().manual_seed(settings.seed)
        palette = palette_of(settings, goal.colors, goal.seen, generator)
        contrast = OPEN_CONTRAST if settings.transparent else 1.0
        return cls(
            templates,
            settings,
            clip,
            height,
            width,
            recipe,
            StampLimits(templates, height, width, recipe.least_scale).to(device),
            capacities(templates, settings.count, settings.usage),
            None if palette is None else palette.to(device),
            locked_columns(settings.locked),
            rasterizer,
            NoiseCanvas(height, width, generator, linear, device, contrast),
        )

    @property
    def device(self) -> torch.device:
        return self.rasterizer.torch_device

    @property
    def linear(self) -> bool:
        return self.settings.space == "linear"

    @property
    def fixed_columns(self) -> Tensor:
        """The columns of params that never change: [9] bool. Colors of a palette are fixed during an appearance."""
        columns = self.locked.clone()
        columns[6:] |= self.palette is not None
        return columns

    def light(self, image: Tensor) -> Tensor:
        """Returns a display-encoded image [3, H, W] in the compositing space."""
        return decode(image) if self.linear else image

    def shown(self, image: Tensor) -> Tensor:
        """Returns a composited image [3, H, W] display-encoded: the inverse of light()."""
        return encode(image) if self.linear else image

    def composited(self, params: Tensor) -> tuple[Tensor, Tensor | float]:
        """Returns params [N, 9] with colors as composited, and their derivative by the display-encoded ones [N, 3]."""
        if not self.linear:
            return params.clone(), 1.0
        return as_composited(params, True), decoding_slope(params[:, 6:])

    @property
    def spacing(self) -> float:
        """The mean spacing of the primitives, px."""
        return math.sqrt(self.height * self.width / self.settings.count)

    def rule(self, steps: int) -> AdamRule:
        return self.recipe.adam_rule(self.spacing, steps)

    def bounds(self, template: Tensor) -> Bounds:
        """Returns the bounds of primitives of these templates [N], by the stamps' limits and the recipe's."""
        return bounded(self.limits.bounds(template), self.recipe, self.height, self.width)

    def generator(self, number: int) -> torch.Generator:
        """Returns a generator for one part of the fit, always with the same random numbers."""
        return torch.Generator().manual_seed(self.settings.seed * 1_000_003 + number)

    def objective(self, goal: Goal, count: int, generator: torch.Generator) -> Objective:
        """Returns the objective of a goal on the engine's device for `count` primitives."""
        return Objective(
            self.rasterizer,
            goal,
            self.templates,
            count,
            generator,
            canvas=(self.height, self.width),
            linear=self.linear,
            noise=self.noise.restarted(generator),
        )
