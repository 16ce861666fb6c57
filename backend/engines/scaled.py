"""An engine for a smaller picture of the canvas, with primitives in canvas px."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .interface import AdamRule, Iteration, Placement, Rasterizer, Scores, Solutions


class ScaledRasterizer:
    """Draws primitives in canvas px on a smaller picture: converts lengths and their gradients. See Rasterizer."""

    def __init__(self, rasterizer: Rasterizer, factor: float) -> None:
        """Wraps a rasterizer of the smaller picture. factor: canvas px per px of the picture."""
        self.name, self.device, self.torch_device = rasterizer.name, rasterizer.device, rasterizer.torch_device
        self._rasterizer, self._factor = rasterizer, factor
        self._unit = torch.ones(9, device=self.torch_device)
        self._unit[:3] = 1.0 / factor

    def forward(self, params: Tensor, placement: Placement, background: Tensor) -> tuple[Tensor, Tensor]:
        return self._rasterizer.forward(params * self._unit, placement, background)

    def backward(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        grad_image: Tensor,
        grad_alpha: Tensor | None = None,
    ) -> Tensor:
        gradient = self._rasterizer.backward(params * self._unit, placement, background, grad_image, grad_alpha)
        return gradient * self._unit

    def step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor]:
        value, gradient = self._rasterizer.step(params * self._unit, placement, background, target, weight, loss)
        return value, gradient * self._unit

    def scored_step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor, Scores]:
        work = self._rasterizer.scored_step
        value, gradient, scores = work(params * self._unit, placement, background, target, weight, loss)
        return value, gradient * self._unit, scores

    def iteration(self, count: int, rule: AdamRule, *, shrink: float = 1.0, **options: Any) -> Iteration | None:
        return self._rasterizer.iteration(count, rule, shrink=shrink * self._factor, **options)

    def solve_on_top(
        self, params: Tensor, placement: Placement, image: Tensor, target: Tensor, weight: Tensor
    ) -> Solutions:
        return self._rasterizer.solve_on_top(params * self._unit, placement, image, target, weight)

    def gains_on_top(self, params: Tensor, placement: Placement, scores: Scores, weight: Tensor) -> Tensor:
        return self._rasterizer.gains_on_top(params * self._unit, placement, scores, weight)
