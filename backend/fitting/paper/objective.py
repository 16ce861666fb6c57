"""The objective of the recipe `paper`: the mean squared error on the background, or on noise and of alpha."""

from __future__ import annotations

import torch
from torch import Tensor

from ...engines.interface import Placement, Rasterizer
from ...losses import encoded_pixel_loss
from ..goal import Goal
from ..noise import NoiseCanvas
from . import PaperRecipe


class PaperObjective:
    """Loss and gradient of params [N, 9] (colors as composited); the gradient is times N as in fitting.objective."""

    def __init__(
        self,
        rasterizer: Rasterizer,  # of the blurred templates
        goal: Goal,
        count: int,
        generator: torch.Generator,
        recipe: PaperRecipe,
        *,
        linear: bool = False,
    ) -> None:
        self._rasterizer, self._target, self._count = rasterizer, goal.target, count
        self._recipe, self._linear = recipe, linear
        height, width = goal.target.shape[1:]
        weight = torch.ones_like(goal.target[0]) if goal.weight is None else goal.weight
        self._weight = weight * (count / (3.0 * float(weight.double().sum())))
        self._alpha = (weight > 0).float()
        self._noise = NoiseCanvas(height, width, generator, linear, goal.target.device) if recipe.clear else None
        self._background = goal.backdrop(linear).expand(3, height, width).contiguous()

    def __call__(self, params: Tensor, placement: Placement) -> tuple[Tensor, Tensor]:
        """Returns the loss ([] float64), and the gradient [N, 9]."""
        canvas = self._background if self._noise is None else self._noise.draw()
        if self._noise is None:
            value, gradient = self._rasterizer.step(params, placement, canvas, self._target, self._weight)
            return value / self._count, gradient
        image, alpha = self._rasterizer.forward(params, placement, canvas)
        if self._linear:
            value, grad_image = encoded_pixel_loss(image, self._target, self._weight)
        else:
            value, grad_image = _square_error(image, self._target, self._weight)
        grad_alpha = None
        if self._noise is not None:
            share = self._recipe.alpha_weight * self._count / alpha.numel()
            penalty, grad_alpha = _square_error(alpha, self._alpha, share)
            value = value + penalty
        return value / self._count, self._rasterizer.backward(params, placement, canvas, grad_image, grad_alpha)


def _square_error(values: Tensor, goal: Tensor, weight: Tensor | float) -> tuple[Tensor, Tensor]:
    """Returns the sum of weight * error^2 ([] float64), and its cotangent."""
    error = values - goal
    cotangent = error * weight
    return (error * cotangent).sum(dtype=torch.float64), cotangent.mul_(2.0)
