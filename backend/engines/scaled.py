"""An engine for a smaller picture of the canvas, with primitives in canvas px."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..native.arrays import FloatArray
from .interface import AdamRule, Engine, Iteration, Noise, Placement, Scores, Solutions


class ScaledRasterizer:
    """Draws primitives in canvas px on a smaller picture: converts lengths and their gradients. See Engine."""

    def __init__(self, engine: Engine, factor: float) -> None:
        """Wraps an engine of the smaller picture. factor: canvas px per px of the picture."""
        self.name, self.device, self.waits = engine.name, engine.device, engine.waits
        self._engine, self._factor = engine, factor
        self._unit = np.ones(9, np.float32)
        self._unit[:3] = 1.0 / factor

    def forward(
        self, params: FloatArray, placement: Placement, background: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        return self._engine.forward(params * self._unit, placement, background)

    def backward(
        self,
        params: FloatArray,
        placement: Placement,
        background: FloatArray,
        grad_image: FloatArray,
        grad_alpha: FloatArray | None = None,
    ) -> FloatArray:
        gradient = self._engine.backward(params * self._unit, placement, background, grad_image, grad_alpha)
        return gradient * self._unit

    def step(
        self,
        params: FloatArray,
        placement: Placement,
        background: FloatArray | Noise,
        target: FloatArray,
        weight: FloatArray,
        loss: str = "mse",
    ) -> tuple[float, FloatArray]:
        value, gradient = self._engine.step(params * self._unit, placement, background, target, weight, loss)
        return value, gradient * self._unit

    def scored_step(
        self,
        params: FloatArray,
        placement: Placement,
        background: FloatArray | Noise,
        target: FloatArray,
        weight: FloatArray,
        loss: str = "mse",
        *,
        removals: bool = True,
    ) -> tuple[float, FloatArray, Scores]:
        planes = (background, target, weight)
        value, gradient, scores = self._engine.scored_step(
            params * self._unit, placement, *planes, loss, removals=removals
        )
        return value, gradient * self._unit, scores

    def iteration(self, count: int, rule: AdamRule, *, shrink: float = 1.0, **options: Any) -> Iteration | None:
        return self._engine.iteration(count, rule, shrink=shrink * self._factor, **options)

    def solve_on_top(
        self,
        params: FloatArray,
        placement: Placement,
        image: FloatArray,
        target: FloatArray,
        weight: FloatArray,
        *,
        rows: int = 1,
    ) -> Solutions:
        return self._engine.solve_on_top(params * self._unit, placement, image, target, weight, rows=rows)

    def gains_on_top(
        self, params: FloatArray, placement: Placement, scores: Scores, weight: FloatArray, *, rows: int = 1
    ) -> FloatArray:
        return self._engine.gains_on_top(params * self._unit, placement, scores, weight, rows=rows)
