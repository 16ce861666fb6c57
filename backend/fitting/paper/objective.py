"""The objective of the recipe `paper`: the mean squared error on the background, or on noise and of alpha."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...engines.native import noise_plane
from ...engines.tensors import Placement, Rasterizer
from ...losses.combination import encoded_pixel_loss
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
        seed: int,  # of the noise
        recipe: PaperRecipe,
        *,
        linear: bool = False,
    ) -> None:
        self._rasterizer, self._device, self._count = rasterizer, rasterizer.torch_device, count
        self._recipe, self._linear, self._size = recipe, linear, goal.target.shape[1:]
        self._target = torch.from_numpy(goal.target).to(self._device)
        weight = np.ones(self._size, np.float32) if goal.weight is None else goal.weight
        self._alpha = torch.from_numpy(weight > 0).to(self._device).float()
        scale = count / (3.0 * float(weight.sum(dtype=np.float64)))
        self._weight = torch.from_numpy(weight).to(self._device) * scale
        self._noise = NoiseCanvas(seed) if recipe.clear else None
        background = torch.from_numpy(goal.backdrop(linear)).to(self._device)
        self._background = background.expand_as(self._target).contiguous()

    def __call__(self, params: Tensor, placement: Placement) -> tuple[Tensor, Tensor]:
        """Returns the loss ([] float64), and the gradient [N, 9]."""
        if self._noise is None:
            canvas = self._background
            value, gradient = self._rasterizer.step(params, placement, canvas, self._target, self._weight)
            return value / self._count, gradient
        space = "linear" if self._linear else "display"
        canvas = torch.from_numpy(noise_plane(self._noise.draw(), *self._size, space=space)).to(self._device)
        image, alpha = self._rasterizer.forward(params, placement, canvas)
        if self._linear:
            value, grad_image = encoded_pixel_loss(image, self._target, self._weight)
        else:
            value, grad_image = _square_error(image, self._target, self._weight)
        share = self._recipe.alpha_weight * self._count / alpha.numel()
        penalty, grad_alpha = _square_error(alpha, self._alpha, share)
        gradient = self._rasterizer.backward(params, placement, canvas, grad_image, grad_alpha)
        return (value + penalty) / self._count, gradient


def _square_error(values: Tensor, goal: Tensor, weight: Tensor | float) -> tuple[Tensor, Tensor]:
    """Returns the sum of weight * error^2 ([] float64), and its cotangent."""
    error = values - goal
    cotangent = error * weight
    return (error * cotangent).sum(dtype=torch.float64), cotangent.mul_(2.0)
