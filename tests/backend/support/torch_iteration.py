"""Whole steps (interface.Iteration) with the CPU engine and the optimizer in PyTorch, as in a fit."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from backend.engines.cpu import CpuRasterizer
from backend.engines.interface import PARAMETERS, AdamRule, Iteration, Placement, Scores, Variables
from backend.fitting.constraints.limits import Bounds
from backend.fitting.optimizer import Optimizer
from backend.templates import Templates


class IteratingRasterizer(CpuRasterizer):
    """The CPU engine with whole steps."""

    def __init__(self, templates: Templates, height: int, width: int, *, space: str = "display", threads: int = 0):
        super().__init__(templates, height, width, space=space, threads=threads)
        self.templates, self.linear, self.size = templates, space == "linear", (height, width)

    def iteration(  # type: ignore[override]
        self,
        count: int,
        rule: AdamRule,
        *,
        loss: str = "mse",
        palette: Tensor | None = None,
        shrink: float = 1.0,
    ) -> Iteration:
        return TorchIteration(self, count, rule, loss, palette, shrink)


class TorchIteration:
    """See interface.Iteration."""

    def __init__(
        self,
        rasterizer: IteratingRasterizer,
        count: int,
        rule: AdamRule,
        loss: str,
        palette: Tensor | None,
        shrink: float,
    ) -> None:
        self._rasterizer, self._loss, self._palette, self._rule = rasterizer, loss, palette, rule
        self._unit = torch.ones(9)
        self._unit[:3] = 1.0 / shrink
        floats = {name: torch.empty(count, 9) for name in ("free", "first", "second", "low", "high")}
        frozen = torch.empty(count, len(PARAMETERS), dtype=torch.bool)
        self.variables = Variables(**floats, age=torch.empty(count, 1), frozen=frozen)
        self._placed = Placement(torch.empty(0), torch.empty(0), torch.empty(0))

    def load(self, variables: Variables, template: Tensor, mirror: Tensor) -> None:
        self._store(variables)
        self._placed = Placement(template.clone(), torch.empty(0), mirror.clone())

    def run(
        self,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        *,
        rate: float,
        bias: float,
        limited: bool,
        scored: bool,
    ) -> tuple[Tensor, Tensor, Scores | None]:
        own, rasterizer = self.variables, self._rasterizer
        bounds = Bounds(own.low, own.high)
        linear = rasterizer.linear
        optimizer = Optimizer(own.free, bounds, own.frozen, self._rule, linear=linear, palette=self._palette)
        optimizer.adopt(replace(own, free=own.free.clone()))
        if limited:
            optimizer.limit_colors()
        params, encoded = optimizer.params, optimizer.encoded
        level = rasterizer.templates.choose_levels(self._placed.template, params[:, 2], params[:, 3], bias)
        placement = replace(self._placed, level=level)
        work: Any = rasterizer.scored_step if scored else rasterizer.step
        value, gradient, *scores = work(params * self._unit, placement, background, target, weight, self._loss)
        optimizer.step(gradient * self._unit, rate)
        self._store(optimizer.variables)
        return value, encoded, scores[0] if scored else None

    def _store(self, variables: Variables) -> None:
        for name, tensor in vars(self.variables).items():
            tensor.copy_(getattr(variables, name))


class FailingRasterizer(IteratingRasterizer):
    """An engine that lacks memory for the first steps of each iteration."""

    failures = 3

    def iteration(self, *arguments: Any, **options: Any) -> Iteration:  # type: ignore[override]
        return FailingIteration(self, self.failures, super().iteration(*arguments, **options))


class FailingIteration:
    """An iteration whose first steps fail."""

    def __init__(self, rasterizer: IteratingRasterizer, failures: int, iteration: Iteration) -> None:
        self._size, self._failures, self._iteration = rasterizer.size, failures, iteration
        self.load, self.variables = iteration.load, iteration.variables

    def run(
        self,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        *,
        rate: float,
        bias: float,
        limited: bool,
        scored: bool,
    ) -> tuple[Tensor, Tensor, Scores | None]:
        if self._failures == 0:
            return self._iteration.run(background, target, weight, rate=rate, bias=bias, limited=limited, scored=scored)
        self._failures -= 1
        free = self.variables.free
        unknown = Scores(
            target, *(torch.full(shape, math.nan) for shape in ((3, *self._size), self._size, free[:, 0].shape))
        )
        return torch.tensor(math.inf).double(), free.clone(), unknown if scored else None
