"""The descent of the recipe `paper`; its constants are in fitting.paper."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ...engines import make_rasterizer
from ...engines.interface import Placement
from ...job import Layout, Limits, Settings, UserError
from ...templates import Templates
from ..goal import Goal
from ..judge import CPU, Judge
from ..primitives import Primitives, as_composited
from . import PaperOptimizer, paper_recipe, prune
from .objective import PaperObjective
from .stamps import blurred_templates, paper_levels
from .start import PaperStart


class PaperDescent:
    """The descent of the recipe `paper`: see fitting.descent.Descent."""

    def __init__(self, goal: Goal, templates: Templates, settings: Settings, start: Layout | None) -> None:
        """Makes the start. Raises UserError for settings that the recipe does not support."""
        _check(settings, templates, goal)
        self._templates, self._settings = templates, settings
        self._height, self._width = goal.target.shape[1:]
        self._linear = linear = settings.space == "linear"
        self._recipe = paper_recipe(goal.weight)
        generator = torch.Generator().manual_seed(settings.seed)
        self._start = PaperStart(goal.target, settings.count, generator, goal.weight)
        if start is None:
            primitives = self._start.primitives(templates)
        else:
            primitives = Primitives.from_layout(start, templates, self._height, self._width)
        count = len(primitives.params)
        engines = [
            make_rasterizer(
                settings.engine, stamps, self._height, self._width, space=settings.space, threads=settings.threads
            )
            for stamps in (templates, blurred_templates(templates))
        ]
        device = engines[0].torch_device
        goal = goal.to(device)
        # The start is made on the CPU; everything after it is on the engine's device.
        self._primitives = primitives.to(device)
        self._levels = paper_levels(templates).to(device)
        self._blurred_level = torch.zeros(count, 2, dtype=torch.int64, device=device)
        self._optimizer = PaperOptimizer(
            self._primitives.params,
            self._recipe,
            self._height,
            self._width,
            locked=self._primitives.locked,
            linear=linear,
        )
        self._judge = Judge(engines[0], goal, linear=linear)
        self._objective = PaperObjective(engines[1], goal, count, generator, self._recipe, linear=linear)
        self._gradient = torch.empty(0)
        self._steps = 0

    def evaluate(self, step: int, progress: float) -> Tensor:
        self._steps = step
        blurred = Placement(self._primitives.template, self._blurred_level, self._primitives.mirror)
        loss, self._gradient = self._objective(self._optimizer.params, blurred)
        return loss

    def advance(self, progress: float) -> None:
        self._optimizer.step(self._gradient)
        prune(self._optimizer, self._start, self._recipe, self._steps + 1, self._settings.iterations)

    def accepts(self, loss: float) -> bool:
        return math.isfinite(loss)

    @property
    def phase(self) -> int:
        # As published, the last state is the result.
        return self._steps

    @property
    def primitives(self) -> Primitives:
        return replace(self._primitives, params=self._optimizer.encoded)

    def finished(self, primitives: Primitives) -> Primitives:
        return primitives

    def judge(self, primitives: Primitives) -> tuple[Tensor, float]:
        placement = Placement(primitives.template, self._levels[primitives.template], primitives.mirror)
        return self._judge(as_composited(primitives.params, self._linear), placement)

    def layout(self, primitives: Primitives) -> Layout:
        level = self._levels[primitives.template].cpu()
        return primitives.to(CPU).to_layout(level, self._templates, self._settings, self._height, self._width)


def _check(settings: Settings, templates: Templates, goal: Goal) -> None:
    standard = Settings()
    names = ("losses", "palette", "palette_size", "usage", "spacing", "order", "locked")
    others = [name for name in names if getattr(settings, name) != getattr(standard, name)]
    if any(item.limits != Limits() for item in templates.items):
        others.append("limits of the stamps")
    if goal.users_loss is not None:
        others.append("a custom loss")
    if goal.importance is not None:
        others.append("importance")
    if others:
        raise UserError(
            f"The recipe paper does not support {', '.join(others)}: leave it out or choose the recipe default"
        )
