"""The judge of a fit: compares it with its goal, on the real background."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..engines.interface import Placement, Rasterizer
from ..losses import pixel_error
from ..pictures.color import encode
from .goal import Goal

BEST_PSNR = 100.0  # dB, reported for pictures that are equal
CPU = torch.device("cpu")


class Judge:
    """Renders params [N, 9] (colors as composited) on the goal's background, and compares them with the target."""

    def __init__(self, rasterizer: Rasterizer, goal: Goal, *, linear: bool = False) -> None:
        self._rasterizer, self._target, self._linear = rasterizer, goal.target, linear
        weight = goal.weights
        self._weight = weight / (3.0 * float(weight.double().sum()))
        self._background = goal.backdrop(linear).expand_as(goal.target)

    def __call__(self, params: Tensor, placement: Placement) -> tuple[Tensor, float]:
        """Returns the image [3, H, W], display-encoded, on the CPU, and its PSNR where the target counts, in dB."""
        image, _ = self._rasterizer.forward(params, placement, self._background)
        image = (encode(image) if self._linear else image).clamp_(0.0, 1.0)
        error = pixel_error(image, self._target, self._weight)
        return image.cpu(), min(BEST_PSNR, -10.0 * math.log10(max(error, 1e-30)))
