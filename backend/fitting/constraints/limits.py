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
    """The least and the greatest value of each parameter of N primitives; infinite where there is none."""

    low: Tensor  # [N, 9]
    high: Tensor  # [N, 9]
    of_rotation: bool = True  # False: all rotations are free

    def clamp(self, params: Tensor) -> Tensor:
        """The nearest params [N, 9] that are allowed, exactly; the rotation by any number of turns from where it was.

        Colors are taken as display-encoded, or as light: both end at 0 and 1.
        """
        if self.of_rotation:
            params = params.clone()
            params[:, ROTATION] = self._turned(params[:, ROTATION])
        return torch.minimum(torch.maximum(params, self.low), self.high)

    def _turned(self, rotation: Tensor) -> Tensor:
        """The same directions, turned as often as brings them nearest to the middle of the allowed ones."""
        low, high = self.low[:, ROTATION], self.high[:, ROTATION]
        middle = 0.5 * (low + high)  # not a number where the rotation is free
        turns = ((rotation - middle) / (2.0 * math.pi)).round()
        # Where it is within its range nothing changes, not even the last bit.
        return torch.where((rotation >= low) & (rotation <= high), rotation, rotation - 2.0 * math.pi * turns)


class StampLimits:
    """The limits of all templates on a canvas.

    size_range is of scale alone: a stamp that stretches may be longer by the square root of its stretch. Where the
    recipe's least scale and a stamp's largest size contradict each other, the stamp's size holds.
    """

    def __init__(self, templates: Templates, height: int, width: int, least: float) -> None:
        """least: the recipe's least scale, px."""
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
        """The same limits for templates whose indices are on this device."""
        result = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(result, name, value.to(device))
        return result

    def bounds(self, template: Tensor) -> Bounds:
        """The bounds of primitives of these templates [N]. Positions have none here: those are the recipe's."""
        return Bounds(self._low[template], self._high[template], self._any_bound)

    def random_rotation(self, template: Tensor, generator: torch.Generator) -> Tensor:
        """Rotations that are evenly distributed over the allowed ones: [N], radians."""
        low, high = self._low[template, ROTATION], self._high[template, ROTATION]
        free = self.free[template]
        start, span = low.masked_fill(free, 0.0), (high - low).masked_fill(free, 2.0 * math.pi)
        rotation = start + span * moved(torch.rand(len(template), generator=generator), template.device)
        return torch.minimum(torch.maximum(rotation, low), high)

    def random_mirror(self, template: Tensor, generator: torch.Generator) -> Tensor:
        """Mirrors every second primitive, on average, of those that may be mirrored: [N] bool."""
        if not self._any_mirrored:
            return torch.zeros(len(template), dtype=torch.bool, device=template.device)
        return self.may_mirror[template] & moved(torch.rand(len(template), generator=generator) < 0.5, template.device)


def bounded(own: Bounds, recipe: Recipe, height: int, width: int) -> Bounds:
    """The stamps' own bounds with the recipe's on a canvas. Where they contradict each other, the stamps' hold."""
    low, high = own.low.clone(), own.high.clone()
    low[:, :2], high[:, 0], high[:, 1] = -recipe.margin, width + recipe.margin, height + recipe.margin
    faintest = 1.0 / (1.0 + math.exp(recipe.logit_limit))
    low[:, OPACITY] = torch.minimum(own.low[:, OPACITY].clamp_min(faintest), own.high[:, OPACITY])
    high[:, OPACITY] = torch.maximum(own.high[:, OPACITY].clamp_max(1.0 - faintest), own.low[:, OPACITY])
    return replace(own, low=low, high=high)


def locked_columns(locked: list[str]) -> Tensor:
    """The columns of params that stay as they are at the start, from names of settings.LOCKABLE: [9] bool."""
    columns = torch.zeros(9, dtype=torch.bool)
    for name in locked:
        columns[list(_COLUMNS[name])] = True
    return columns


def order_key(order: str, params: Tensor) -> Tensor | None:
    """The key by which params [N, 9] are sorted, ascending, for an order of settings.ORDERS: [N]. None for "free".

    Front first; by area, which for a template is scale squared, however it is stretched.
    """
    if order == "free":
        return None
    return params[:, SCALE] if order == "small_front" else -params[:, SCALE]
