"""The stamps' limits as bounds on the parameters of each primitive."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ...native.arrays import BoolArray, FloatArray, IntArray
from ...templates import Templates
from ..random import Random
from ..recipe import Recipe

SCALE, ASPECT, ROTATION, OPACITY = 2, 3, 4, 5
"""Columns of params (engines.PARAMETERS)."""

_COLUMNS = {"position": (0, 1), "scale": (SCALE,), "stretch": (ASPECT,), "rotation": (ROTATION,)}
_COLUMNS |= {"opacity": (OPACITY,), "color": (6, 7, 8)}


@dataclass(frozen=True, eq=False)
class Bounds:
    """The least and the greatest value of each parameter of N primitives; infinite where unlimited."""

    low: FloatArray  # [N, 9]
    high: FloatArray  # [N, 9]
    of_rotation: bool = True  # False: all rotations are free

    def clamp(self, params: FloatArray) -> FloatArray:
        """Clamps params [N, 9] to the bounds, exactly. Rotations may change by any number of turns.

        Colors may be display-encoded or light: both range from 0 to 1.
        """
        if self.of_rotation:
            params = params.copy()
            params[:, ROTATION] = self._turned(params[:, ROTATION])
        return np.minimum(np.maximum(params, self.low), self.high)

    def _turned(self, rotation: FloatArray) -> FloatArray:
        """Turns rotations by whole turns to the ones nearest to the middle of their range."""
        low, high = self.low[:, ROTATION], self.high[:, ROTATION]
        zero = np.float32(0.0)
        middle = np.float32(0.5) * (np.where(low == -np.inf, zero, low) + np.where(high == np.inf, zero, high))
        turns = np.rint((rotation - middle) / np.float32(2.0 * math.pi))
        # Within the range nothing changes, not even the last bit.
        within = (rotation >= low) & (rotation <= high)
        return np.where(within, rotation, rotation - np.float32(2.0 * math.pi) * turns)


class StampLimits:
    """The limits of all templates on a canvas.

    size_range limits the scale alone: a stretched stamp may be longer by the square root of its stretch. A stamp's
    largest size takes precedence over the recipe's least scale.
    """

    def __init__(self, templates: Templates, height: int, width: int, least: float) -> None:
        """Reads the limits of the templates. least: the recipe's least scale, px."""
        limits = [item.limits for item in templates.items]
        full_turn = 2.0 * math.pi * (1.0 - 1e-6)
        span = np.array([item.rotation_range for item in limits], np.float32)
        self.free = span[:, 1] - span[:, 0] >= full_turn
        """Whether a template may lie in any direction: [T] bool."""
        self.stretch = np.array([item.stretch for item in limits], np.float32)
        """The greatest aspect, and one over the least: [T]."""
        self.may_mirror = np.array([item.mirror for item in limits])
        """[T] bool"""
        self._any_bound, self._any_mirrored = not self.free.all(), bool(self.may_mirror.any())
        sizes = np.array([item.size_range for item in limits]) * (0.5 * max(height, width))
        low, high = sizes.astype(np.float32).T
        self._low = np.full((len(limits), 9), -np.inf, np.float32)
        self._high = np.full((len(limits), 9), np.inf, np.float32)
        self._low[:, SCALE], self._high[:, SCALE] = np.minimum(np.maximum(low, np.float32(least)), high), high
        self._low[:, ASPECT], self._high[:, ASPECT] = np.float32(1.0) / self.stretch, self.stretch
        self._low[:, ROTATION] = np.where(self.free, -np.inf, span[:, 0])
        self._high[:, ROTATION] = np.where(self.free, np.inf, span[:, 1])
        opacities = np.array([item.opacity_range for item in limits], np.float32)
        self._low[:, OPACITY], self._high[:, OPACITY] = opacities.T
        self._low[:, 6:], self._high[:, 6:] = 0.0, 1.0

    def bounds(self, template: IntArray) -> Bounds:
        """Returns the bounds of primitives of these templates [N], without those of positions: see bounded()."""
        return Bounds(self._low[template], self._high[template], self._any_bound)

    def random_rotation(self, template: IntArray, random: Random) -> FloatArray:
        """Draws rotations evenly from the allowed ones: [N], radians."""
        low, high = self._low[template, ROTATION], self._high[template, ROTATION]
        free = self.free[template]
        start = np.where(free, np.float32(0.0), low)
        span = np.where(free, np.float32(2.0 * math.pi), high - low)
        rotation = start + span * random.uniform(len(template))
        return np.minimum(np.maximum(rotation, low), high)

    def random_mirror(self, template: IntArray, random: Random) -> BoolArray:
        """Draws mirrors for half of the primitives that may be mirrored, on average: [N]."""
        if not self._any_mirrored:
            return np.zeros(len(template), np.bool_)
        return self.may_mirror[template] & (random.uniform(len(template)) < 0.5)


def bounded(own: Bounds, recipe: Recipe, height: int, width: int) -> Bounds:
    """Adds a recipe's bounds on a canvas to the stamps' own, which take precedence."""
    low, high = own.low.copy(), own.high.copy()
    low[:, :2], high[:, 0], high[:, 1] = -recipe.margin, width + recipe.margin, height + recipe.margin
    faintest = 1.0 / (1.0 + math.exp(recipe.logit_limit))
    least, most = np.float32(faintest), np.float32(1.0 - faintest)
    low[:, OPACITY] = np.minimum(np.maximum(own.low[:, OPACITY], least), own.high[:, OPACITY])
    high[:, OPACITY] = np.maximum(np.minimum(own.high[:, OPACITY], most), own.low[:, OPACITY])
    return replace(own, low=low, high=high)


def locked_columns(locked: list[str]) -> BoolArray:
    """Returns the columns of params that are locked, by names of settings.LOCKABLE: [9]."""
    columns = np.zeros(9, np.bool_)
    for name in locked:
        columns[list(_COLUMNS[name])] = True
    return columns


def order_key(order: str, params: FloatArray) -> FloatArray | None:
    """Returns the key that sorts params [N, 9] front first for an order of settings.ORDERS: [N]. None for "free".

    The order is by area, which for a template is the scale squared, however it is stretched.
    """
    if order == "free":
        return None
    return params[:, SCALE] if order == "small_front" else -params[:, SCALE]
