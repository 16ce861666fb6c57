"""The stamps' limits as bounds on the parameters of each primitive."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...engines.transfer import moved
from ...templates import Templates
from ..recipe import Recipe

SCALE, ASPECT, ROTATION, OPACITY = 2, 3, 4, 5
"""Columns of params (engines.PARAMETERS)."""

_COLUMNS = {"position": (0, 1), "scale": (SCALE,), "stretch": (ASPECT,), "rotation": (ROTATION,)}
_COLUMNS |= {"opacity": (OPACITY,), "color": (6, 7, 8)}


@dataclass(frozen=True)
class Bounds:
    """The least and the greatest value of each parameter of N primitives; infinite where unlimited."""

    low: Tensor  # [N, 9]
    high: Tensor  # [N, 9]
    of_rotation: bool = True  # False: all rotations are free

    def clamp(self, params: Tensor) -> Tensor:
        """Clamps params [N, 9] to the bounds, exactly. Rotations may change by any number of turns.

        Colors may be display-encoded or light: both range from 0 to 1.
        """
        if self.of_rotation:
            params = params.clone()
            params[:, ROTATION] = self._turned(params[:, ROTATION])
        return torch.minimum(torch.maximum(params, self.low), self.high)

    def _turned(self, rotation: Tensor) -> Tensor:
        """Turns rotations by whole turns to the ones nearest to the middle of their range."""
        low, high = self.low[:, ROTATION], self.high[:, ROTATION]
        middle = 0.5 * (low + high)  # NaN where the rotation is free
        turns = ((rotation - middle) / (2.0 * math.pi)).round()
        # Within the range nothing changes, not even the last bit.
        return torch.where((rotation >= low) & (rotation <= high), rotation, rotation - 2.0 * math.pi * turns)


class StampLimits:
    """The limits of all templates on a canvas.

    size_range limits the scale alone: a stretched stamp may be longer by the square root of its stretch. A stamp's
    largest size takes precedence over the recipe's least scale.
    """

    def __init__(self, templates: Templates, height: int, width: int, least: float) -> None:
        """Reads the limits of the templates. least: the recipe's least scale, px."""
        limits = [item.limits for item in templates.items]
        full_turn = 2.0 * math.pi * (1.0 - 1e-6)
        span = torch.tensor([item.rotation_range for item in limits])
        self.free = span[:, 1] - span[:, 0] >= full_turn
        """Whether a template may lie in any direction: [T] bool."""
        self.stretch = torch.tensor([item.stretch for item in limits])
        """The greatest aspect, and one over the least: [T]."""
        self.may_mirror = torch.tensor([item.mirror for item in limits])
        """[T] bool"""
        self._any_bound, self._any_mirrored = not bool(self.free.all()), any(item.mirror for item in limits)
        sizes = torch.tensor([item.size_range for item in limits], dtype=torch.float64)
        low, high = (sizes * (0.5 * max(height, width))).float().unbind(1)
        self._low = torch.full((len(limits), 9), -math.inf)
        self._high = torch.full((len(limits), 9), math.inf)
        self._low[:, SCALE], self._high[:, SCALE] = torch.minimum(low.clamp_min(least), high), high
        self._low[:, ASPECT], self._high[:, ASPECT] = 1.0 / self.stretch, self.stretch
        self._low[:, ROTATION] = span[:, 0].masked_fill(self.free, -math.inf)
        self._high[:, ROTATION] = span[:, 1].masked_fill(self.free, math.inf)
        opacities = torch.tensor([item.opacity_range for item in limits])
        self._low[:, OPACITY], self._high[:, OPACITY] = opacities.unbind(1)
        self._low[:, 6:], self._high[:, 6:] = 0.0, 1.0

    def to(self, device: torch.device) -> StampLimits:
        """Returns the limits for templates whose indices are on this device."""
        result = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(result, name, value.to(device))
        return result

    def bounds(self, template: Tensor) -> Bounds:
        """Returns the bounds of primitives of these templates [N], without those of positions: see bounded()."""
        return Bounds(self._low[template], self._high[template], self._any_bound)

    def random_rotation(self, template: Tensor, generator: torch.Generator) -> Tensor:
        """Draws rotations evenly from the allowed ones: [N], radians."""
        low, high = self._low[template, ROTATION], self._high[template, ROTATION]
        free = self.free[template]
        start, span = low.masked_fill(free, 0.0), (high - low).masked_fill(free, 2.0 * math.pi)
        rotation = start + span * moved(torch.rand(len(template), generator=generator), template.device)
        return torch.minimum(torch.maximum(rotation, low), high)

    def random_mirror(self, template: Tensor, generator: torch.Generator) -> Tensor:
        """Draws mirrors for half of the primitives that may be mirrored, on average: [N] bool."""
        if not self._any_mirrored:
            return torch.zeros(len(template), dtype=torch.bool, device=template.device)
        return self.may_mirror[template] & moved(torch.rand(len(template), generator=generator) < 0.5, template.device)


def bounded(own: Bounds, recipe: Recipe, height: int, width: int) -> Bounds:
    """Adds a recipe's bounds on a canvas to the stamps' own, which take precedence."""
    low, high = own.low.clone(), own.high.clone()
    low[:, :2], high[:, 0], high[:, 1] = -recipe.margin, width + recipe.margin, height + recipe.margin
    faintest = 1.0 / (1.0 + math.exp(recipe.logit_limit))
    low[:, OPACITY] = torch.minimum(own.low[:, OPACITY].clamp_min(faintest), own.high[:, OPACITY])
    high[:, OPACITY] = torch.maximum(own.high[:, OPACITY].clamp_max(1.0 - faintest), own.low[:, OPACITY])
    return replace(own, low=low, high=high)


def locked_columns(locked: list[str]) -> Tensor:
    """Returns the columns of params that are locked, by names of settings.LOCKABLE: [9] bool."""
    columns = torch.zeros(9, dtype=torch.bool)
    for name in locked:
        columns[list(_COLUMNS[name])] = True
    return columns


def order_key(order: str, params: Tensor) -> Tensor | None:
    """Returns the key that sorts params [N, 9] front first for an order of settings.ORDERS: [N]. None for "free".

    The order is by area, which for a template is the scale squared, however it is stretched.
    """
    if order == "free":
        return None
    return params[:, SCALE] if order == "small_front" else -params[:, SCALE]
