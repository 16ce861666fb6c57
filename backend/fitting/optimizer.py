"""Gradient descent on primitives: Adam on variables that stand for the parameters.

Scale and aspect are optimized as logarithms and opacity as a logit; positions along the primitive's own axes; rotation
and colour as they are. Colours stay display-encoded, whatever they are composited in. Everything is done on [N, 9]
matrices at once, whose columns are those of engines.PARAMETERS.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..color import decode
from .limits import Bounds
from .palette import nearest
from .recipe import Recipe

EPSILON = 1e-10
"""Keeps a primitive that no pixel sees in its place. Gradients are of the order of 1, see objective.py."""


class Optimizer:
    """Adam on all primitives at once.

    params [N, 9] is what the engine draws, with colours as they are composited; encoded [N, 9] has the same with
    display-encoded colours. Where there is a palette, encoded has its colours, and from limit_colors() on params too;
    then it descends from the free colours beneath, by the palette's gradients (a straight-through estimate).
    """

    def __init__(
        self,
        params: Tensor,  # [N, 9], colours display-encoded
        bounds: Bounds,
        frozen: Tensor,  # [N, 9] bool: what stays as it is
        recipe: Recipe,
        spacing: float,  # mean, px
        *,
        momentum: float,
        linear: bool = False,
        palette: Tensor | None = None,  # [P, 3] display-encoded
    ) -> None:
        self._recipe, self._spacing, self._linear, self._palette = recipe, spacing, linear, palette
        self._bounds, self._frozen, self._momentum = bounds, frozen, momentum
        self._limited = False  # to the palette
        self._first, self._second = torch.zeros_like(params), torch.zeros_like(params)
        self._age = torch.zeros(len(params), 1)  # steps; of each, since some arrive later
        self._place(torch.where(frozen, params, bounds.clamp(params)))

    def step(self, gradient: Tensor, rate: float) -> None:
        """Goes a step of Adam down the gradient of params [N, 9], which is used up; rate in [0, 1] scales all steps."""
        recipe = self._recipe
        gradient = self._pulled_back(gradient)
        self._age += 1
        self._first.lerp_(gradient, 1.0 - self._momentum)
        self._second.lerp_(gradient.square_(), 1.0 - recipe.second_momentum)
        # Both moments start at 0; the corrections make means of them.
        mean = self._first / (1.0 - self._momentum**self._age)
        size = (self._second / (1.0 - recipe.second_momentum**self._age)).sqrt_().add_(EPSILON)
        step = mean.div_(size).mul_(self._rates()).mul_(rate)
        step[:, :2] = turned(step[:, :2], self._free[:, 4])
        self._place(torch.where(self._frozen, self._free, self._bounds.clamp(_stepped(self._free, step))))

    def limit_colors(self) -> None:
        """From now on the palette's colours are those that are drawn."""
        self._limited = True
        self._place(self._free)

    def move(self, position: Tensor) -> None:
        """Puts the primitives at these positions [N, 2], px."""
        self._place(torch.cat([position, self._free[:, 2:]], 1))

    def rearrange(self, order: Tensor, arriving: Tensor, bounds: Bounds, frozen: Tensor) -> None:
        """Puts new primitives [K, 9] (colours display-encoded) in front of those at `order` (index [N - K]).

        bounds and frozen are those of all N as they are then.
        """
        fresh = torch.zeros_like(arriving)
        self._first, self._second = (torch.cat([fresh, moment[order]]) for moment in (self._first, self._second))
        self._age = torch.cat([fresh[:, :1], self._age[order]])
        self._bounds, self._frozen = bounds, frozen
        both = torch.cat([arriving, self._free[order]])
        self._place(torch.where(frozen, both, bounds.clamp(both)))

    def _place(self, free: Tensor) -> None:
        """Makes params of these, in new tensors: the older ones stay as they were."""
        self._free = self.encoded = free
        if self._palette is not None:
            color = self._palette[nearest(free[:, 6:], self._palette)]
            # A colour that is frozen stays, palette or not.
            color = torch.where(self._frozen[:, 6:], free[:, 6:], color)
            self.encoded = torch.cat([free[:, :6], color], 1)
        self.params = self.encoded if self._limited else free
        if self._linear:
            self.params = torch.cat([self.params[:, :6], decode(self.params[:, 6:])], 1)

    def _pulled_back(self, gradient: Tensor) -> Tensor:
        """The gradient of the variables, by the chain rule, from that of params."""
        gradient[:, :2] = turned(gradient[:, :2], -self._free[:, 4])
        gradient[:, 2:4] *= self._free[:, 2:4]
        opacity = self._free[:, 5]
        gradient[:, 5] *= opacity * (1.0 - opacity)
        if self._linear:
            gradient[:, 6:] *= _decoding_slope(self.encoded[:, 6:] if self._limited else self._free[:, 6:])
        return gradient

    def _rates(self) -> Tensor:
        """Length of a full step of each variable: [N, 9]."""
        recipe, spacing = self._recipe, self._spacing
        least = max(recipe.position_rate_floor, recipe.position_rate_least * spacing)
        root = self._free[:, 3].sqrt()
        half_axes = torch.stack([self._free[:, 2] * root, self._free[:, 2] / root], 1)
        rates = torch.empty_like(self._free)
        rates[:, :2] = half_axes.clamp_max_(recipe.position_rate_cap * spacing) * recipe.position_rate + least
        rates[:, 2], rates[:, 3] = recipe.scale_rate, recipe.aspect_rate
        rates[:, 4] = recipe.rotation_rate / torch.maximum(root, 1.0 / root)
        rates[:, 5], rates[:, 6:] = recipe.opacity_rate, recipe.color_rate
        return rates


def turned(vectors: Tensor, angle: Tensor) -> Tensor:
    """Vectors [N, 2] turned clockwise by angles [N], radians."""
    cosine, sine = angle.cos(), angle.sin()
    x, y = vectors.unbind(1)
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y], 1)


def _stepped(params: Tensor, step: Tensor) -> Tensor:
    """Params [N, 9] whose variables (logarithm of scale and aspect, logit of opacity) are less by a step [N, 9]."""
    result = params - step
    factor = (-step[:, 2:6]).exp_()
    result[:, 2:4] = params[:, 2:4] * factor[:, :2]
    opacity = params[:, 5]
    result[:, 5] = opacity / (opacity + (1.0 - opacity) / factor[:, 3])
    return result


def _decoding_slope(encoded: Tensor) -> Tensor:
    """Derivative of color.decode."""
    curved = 2.4 / 1.055 * ((encoded.clamp_min(0.04045) + 0.055) / 1.055) ** 1.4
    return torch.where(encoded <= 0.04045, 1.0 / 12.92, curved)
