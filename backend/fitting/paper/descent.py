"""The descent of the recipe `paper`; its constants are in fitting.paper."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import SupportsFloat

import numpy as np
import torch
from torch import Tensor

from ...engines import interface, make_engine
from ...engines.rasterizers import make_rasterizer
from ...engines.tensors import Placement, torch_threads
from ...job import Layout, Limits, Settings, UserError
from ...native.arrays import FloatArray
from ...templates import Templates
from ..goal import Goal
from ..judge import Judge
from ..primitives import Primitives, as_composited
from . import PaperOptimizer, paper_recipe, prune
from .objective import PaperObjective
from .stamps import blurred_templates, paper_levels
from .start import PaperStart


class PaperDescent:
    """The descent of the recipe `paper`: see fitting.descent.Descent.

    The start is made on the CPU; everything after it is on the engine's device.
    """

    @torch.no_grad()
    @torch_threads(1)  # on more, PyTorch's sums differ in their last bits
    def __init__(self, goal: Goal, templates: Templates, settings: Settings, start: Layout | None) -> None:
        """Makes the start. Raises UserError for settings that the recipe does not support."""
        _check(settings, templates, goal)
        self._templates, self._settings = templates, settings
        self._height, self._width = size = goal.target.shape[1], goal.target.shape[2]
        self._linear = linear = settings.space == "linear"
        self._recipe = paper_recipe(goal.weight)
        generator = torch.Generator().manual_seed(settings.seed)
        self._start = PaperStart(goal.target, settings.count, generator, goal.weight)
        if start is None:
            primitives = self._start.primitives(templates)
        else:
            primitives = Primitives.from_layout(start, templates, *size)
        self._primitives, count = primitives, len(primitives.params)
        engine, threads, space = settings.engine, settings.threads, settings.space
        rasterizer = make_rasterizer(engine, blurred_templates(templates), *size, space=space, threads=threads)
        device = rasterizer.torch_device
        self.waits = device.type != "cpu"
        self._levels = paper_levels(templates)
        self._blurred = Placement(
            torch.from_numpy(primitives.template),
            torch.zeros(count, 2, dtype=torch.int64),
            torch.from_numpy(primitives.mirror),
        ).to(device)
        self._optimizer = PaperOptimizer(
            torch.from_numpy(primitives.params).to(device),
            self._recipe,
            *size,
            locked=torch.from_numpy(primitives.locked).to(device),
            linear=linear,
        )
        self._judge = Judge(make_engine(engine, templates, *size, space=space, threads=threads), goal, linear=linear)
        self._objective = PaperObjective(rasterizer, goal, count, settings.seed, self._recipe, linear=linear)
        self._gradient = torch.empty(0)
        self._steps = 0

    @torch.no_grad()
    @torch_threads(1)
    def evaluate(self, step: int, progress: float) -> SupportsFloat:
        self._steps = step
        loss, self._gradient = self._objective(self._optimizer.params, self._blurred)
        return loss

    @torch.no_grad()
    @torch_threads(1)
    def advance(self, progress: float) -> None:
        self._optimizer.step(self._gradient)
        prune(self._optimizer, self._start, self._recipe, self._steps + 1, self._settings.iterations)

    def accepts(self, loss: float) -> bool:
        return math.isfinite(loss)

    @property
    def phase(self) -> float:
        # As published, the last state is the result.
        return self._steps

    @property
    def state(self) -> Callable[[], Primitives]:
        encoded = self._optimizer.encoded
        return lambda: replace(self._primitives, params=_array(encoded))

    def finished(self, primitives: Primitives) -> Primitives:
        return primitives

    def judge(self, primitives: Primitives) -> tuple[FloatArray, float]:
        return self._judge(*self._drawn(primitives))

    def psnr(self, primitives: Primitives) -> float:
        return self._judge.psnr(*self._drawn(primitives))

    def layout(self, primitives: Primitives) -> Layout:
        level = self._levels[primitives.template]
        return primitives.to_layout(level, self._templates, self._settings, self._height, self._width)

    def _drawn(self, primitives: Primitives) -> tuple[FloatArray, interface.Placement]:
        placement = interface.Placement(primitives.template, self._levels[primitives.template], primitives.mirror)
        return as_composited(primitives.params, self._linear), placement


def _array(tensor: Tensor) -> FloatArray:
    return np.ascontiguousarray(tensor.cpu().numpy())


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
