"""Gradient descent on primitives: Adam on variables in place of the parameters.

Scale and aspect are optimized as logarithms and opacity as a logit; positions along the primitive's own axes; rotation
and color directly. Colors stay display-encoded in any compositing space. All matrices are [N, 9], with the columns of
engines.PARAMETERS.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..engines.interface import AdamRule, Variables
from .constraints.limits import Bounds
from .constraints.palette import nearest
from .primitives import as_composited


class Optimizer:
    """Adam on all primitives at once, on the device of their params.

    params [N, 9] is what the engine draws, with colors as composited; encoded [N, 9] has display-encoded colors.
    If there is a palette, encoded has its colors, and so has params from limit_colors() on. Free colors underneath then
    descend by the palette's gradients (a straight-through estimate).
    """

    def __init__(
        self,
        params: Tensor,  # [N, 9], colors display-encoded
        bounds: Bounds,
        frozen: Tensor,  # [N, 9] bool: what stays as it is
        rule: AdamRule,
        *,
        linear: bool = False,
        palette: Tensor | None = None,  # [P, 3] display-encoded
    ) -> None:
        self._rule, self._linear, self._palette = rule, linear, palette
        self._limited = False  # to the palette
        self._bounded_rotation = bounds.of_rotation
        self._encoded: Tensor | None = None
        self._params: Tensor | None = None
        free = torch.where(frozen, params, bounds.clamp(params))
        first, second = torch.zeros_like(params), torch.zeros_like(params)
        age = torch.zeros(len(params), 1, device=params.device)
        self.variables = Variables(free, first, second, age, bounds.low, bounds.high, frozen)

    @property
    def encoded(self) -> Tensor:
        """The params [N, 9] with display-encoded colors; later steps do not change them."""
        if self._encoded is None:
            free = self._encoded = self.variables.free
            if self._palette is not None:
                color = self._palette[nearest(free[:, 6:], self._palette)]
                # A frozen color stays, even outside the palette.
                color = torch.where(self.variables.frozen[:, 6:], free[:, 6:], color)
                self._encoded = torch.cat([free[:, :6], color], 1)
        return self._encoded

    @property
    def params(self) -> Tensor:
        """The params [N, 9] to draw, colors as composited; later steps do not change them."""
        if self._params is None:
            self._params = as_composited(self.encoded if self._limited else self.variables.free, self._linear)
        return self._params

    def step(self, gradient: Tensor, rate: float) -> None:
        """Makes a step of Adam by the gradient of params [N, 9], which is overwritten; rate scales it (0 to 1)."""
        rule, variables = self._rule, self.variables
        gradient = self._pulled_back(gradient)
        variables.age += 1
        variables.first.lerp_(gradient, 1.0 - rule.momentum)
        variables.second.lerp_(gradient.square_(), 1.0 - rule.second_momentum)
        # Both moments start at 0; the corrections make means of them.
        mean = variables.first / (1.0 - rule.momentum**variables.age)
        size = (variables.second / (1.0 - rule.second_momentum**variables.age)).sqrt_().add_(rule.epsilon)
        step = mean.div_(size).mul_(self._rates()).mul_(rate)
        step[:, :2] = turned(step[:, :2], variables.free[:, 4])
        self._place(self._bounded(_stepped(variables.free, step)))

    def limit_colors(self) -> None:
        """Draws only colors of the palette from now on."""
        if not self._limited:
            self._limited, self._params = True, None

    def move(self, position: Tensor) -> None:
        """Puts the primitives at these positions [N, 2], px."""
        self._place(torch.cat([position, self.variables.free[:, 2:]], 1))

    def rearrange(self, order: Tensor, arriving: Tensor, bounds: Bounds, frozen: Tensor) -> None:
        """Puts new primitives [K, 9] (colors display-encoded) in front of those at `order` (index [N - K]).

        bounds and frozen are those of all N afterward.
        """
        fresh, own = torch.zeros_like(arriving), self.variables
        first, second = (torch.cat([fresh, moment[order]]) for moment in (own.first, own.second))
        age = torch.cat([fresh[:, :1], own.age[order]])
        both = torch.cat([arriving, own.free[order]])
        self._bounded_rotation = bounds.of_rotation
        self.adopt(Variables(both, first, second, age, bounds.low, bounds.high, frozen))
        self._place(self._bounded(both))

    def adopt(self, variables: Variables) -> None:
        """Continues from these variables. Call it again after changing them elsewhere.

        Tensors that encoded and params returned before may change with them.
        """
        self.variables = variables
        self._encoded = self._params = None

    def _place(self, free: Tensor) -> None:
        self.adopt(replace(self.variables, free=free))

    def _bounded(self, free: Tensor) -> Tensor:
        """Returns params [N, 9] within their bounds, with the frozen ones unchanged."""
        own = self.variables
        bounds = Bounds(own.low, own.high, self._bounded_rotation)
        return torch.where(own.frozen, own.free, bounds.clamp(free))

    def _pulled_back(self, gradient: Tensor) -> Tensor:
        """Turns the gradient of params into that of the variables, by the chain rule."""
        free = self.variables.free
        gradient[:, :2] = turned(gradient[:, :2], -free[:, 4])
        gradient[:, 2:4] *= free[:, 2:4]
        opacity = free[:, 5]
        gradient[:, 5] *= opacity * (1.0 - opacity)
        if self._linear:
            gradient[:, 6:] *= decoding_slope(self.encoded[:, 6:] if self._limited else free[:, 6:])
        return gradient

    def _rates(self) -> Tensor:
        """Returns the length of a full step of each variable: [N, 9]."""
        rule, free = self._rule, self.variables.free
        root = free[:, 3].sqrt()
        half_axes = torch.stack([free[:, 2] * root, free[:, 2] / root], 1)
        rates = torch.empty_like(free)
        rates[:, :2] = half_axes.clamp_max_(rule.widest) * rule.position_rate + rule.least
        rates[:, 2], rates[:, 3] = rule.scale_rate, rule.aspect_rate
        rates[:, 4] = rule.rotation_rate / torch.maximum(root, 1.0 / root)
        rates[:, 5], rates[:, 6:] = rule.opacity_rate, rule.color_rate
        return rates


def turned(vectors: Tensor, angle: Tensor) -> Tensor:
    """Returns vectors [N, 2] turned clockwise by angles [N], radians."""
    cosine, sine = angle.cos(), angle.sin()
    x, y = vectors.unbind(1)
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y], 1)


def _stepped(params: Tensor, step: Tensor) -> Tensor:
    """Subtracts a step [N, 9] from the variables (logarithm of scale and aspect, logit of opacity) of params [N, 9]."""
    result = params - step
    factor = (-step[:, 2:6]).exp_()
    result[:, 2:4] = params[:, 2:4] * factor[:, :2]
    opacity = params[:, 5]
    result[:, 5] = opacity / (opacity + (1.0 - opacity) / factor[:, 3])
    return result


def decoding_slope(encoded: Tensor) -> Tensor:
    """Returns the derivative of color.decode."""
    curved = 2.4 / 1.055 * ((encoded.clamp_min(0.04045) + 0.055) / 1.055) ** 1.4
    return torch.where(encoded <= 0.04045, 1.0 / 12.92, curved)
