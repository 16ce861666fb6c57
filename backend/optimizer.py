"""Gradient descent on primitives: the variables that are optimized in place of the parameters, and Adam on them.

Scale and aspect are optimized as logarithms and opacity as a logit; position, rotation and colour as they are. Colours
stay display-encoded, whatever they are composited in. Everything is done on [N, 9] matrices at once, whose columns are
those of engines.PARAMETERS.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .color import decode
from .recipes import Recipe

EPSILON = 1e-10
"""Keeps a primitive that no pixel sees in its place. Gradients are of the order of 1, see fitting.Objective."""


class Optimizer:
    """Adam on all primitives at once.

    params [N, 9] is what the engine draws, with colours as they are composited; encoded [N, 9] has the same with
    display-encoded colours.
    """

    def __init__(
        self,
        params: Tensor,  # [N, 9], colours display-encoded
        recipe: Recipe,
        height: int,
        width: int,
        *,
        locked: Tensor | None = None,  # [N] bool: primitives that stay as they are
        linear: bool = False,
    ) -> None:
        self._recipe, self._linear = recipe, linear
        self._locked = locked.nonzero()[:, 0] if locked is not None and locked.any() else None
        self._initial = params.clone()
        self._variables = params.clone()
        self._variables[:, 2:4].log_()
        self._variables[:, 5].logit_(eps=1e-6)
        self._first, self._second = torch.zeros_like(params), torch.zeros_like(params)
        self._low, self._high = _limits(recipe, height, width)
        self._rates = torch.tensor(
            [0.0, 0.0, recipe.scale_rate, 0.0, recipe.rotation_rate, recipe.opacity_rate, *[recipe.color_rate] * 3]
        ).repeat(len(params), 1)
        self._age = 0
        self._activate()

    def step(self, gradient: Tensor, rate: float) -> None:
        """Goes a step of Adam down the gradient of params [N, 9], which is used up; rate in [0, 1] scales all steps."""
        recipe = self._recipe
        gradient = self._pulled_back(gradient)
        self._age += 1
        self._first.lerp_(gradient, 1.0 - recipe.momentum)
        self._second.lerp_(gradient.square_(), 1.0 - recipe.second_momentum)
        reach = self.params[:, 2:3].clamp_max(recipe.position_rate_cap)
        self._rates[:, :2] = reach * recipe.position_rate + recipe.position_rate_least
        # Both moments start at 0; the corrections make means of them.
        first_share = 1.0 - recipe.momentum**self._age
        second_share = 1.0 - recipe.second_momentum**self._age
        size = (self._second / second_share).sqrt_().add_(EPSILON)
        self._variables.addcmul_(self._rates, self._first / size, value=-rate / first_share)
        self._activate()

    def _activate(self) -> None:
        """Keeps the variables in their limits and makes parameters of them, in new tensors: the older ones stay."""
        torch.maximum(self._variables, self._low, out=self._variables)
        torch.minimum(self._variables, self._high, out=self._variables)
        encoded = self._variables.clone()
        encoded[:, 2:4].exp_()
        encoded[:, 5].sigmoid_()
        if self._locked is not None:
            encoded[self._locked] = self._initial[self._locked]
        self.encoded = self.params = encoded
        if self._linear:
            self.params = torch.cat([encoded[:, :6], decode(encoded[:, 6:])], 1)

    def _pulled_back(self, gradient: Tensor) -> Tensor:
        """The gradient of the variables, by the chain rule, from that of params."""
        gradient[:, 2:4] *= self.params[:, 2:4]
        opacity = self.params[:, 5]
        gradient[:, 5] *= opacity * (1.0 - opacity)
        if self._linear:
            gradient[:, 6:] *= _decoding_slope(self._variables[:, 6:])
        return gradient


def _limits(recipe: Recipe, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The least and the greatest value of each variable: [9], [9]."""
    least, largest = recipe.least_scale, max(recipe.least_scale, height, width)
    edge, logit, free = recipe.margin, recipe.logit_limit, math.inf
    low = [-edge, -edge, math.log(least), -free, -free, -logit, 0.0, 0.0, 0.0]
    high = [width + edge, height + edge, math.log(largest), free, free, logit, 1.0, 1.0, 1.0]
    return torch.tensor(low), torch.tensor(high)


def _decoding_slope(encoded: Tensor) -> Tensor:
    """Derivative of color.decode."""
    curved = 2.4 / 1.055 * ((encoded.clamp_min(0.04045) + 0.055) / 1.055) ** 1.4
    return torch.where(encoded <= 0.04045, 1.0 / 12.92, curved)
