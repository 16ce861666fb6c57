"""The twin of csrc/search_cpu.cpp: candidates are drawn and varied in doubles, all at a time, by the same numbers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from backend.fitting.default.choice import Choice
from backend.fitting.random import Random
from backend.fitting.recipe import Recipe
from backend.native.arrays import FloatArray, IntArray

Doubles = NDArray[np.float64]
Drawn = tuple[Doubles, IntArray, NDArray[np.bool_]]


class TwinDrawer:
    """See fitting.default.drawing.Drawer."""

    def __init__(
        self, tensor: FloatArray, choice: Choice, recipe: Recipe, random: Random, *, spacing: float, shrink: int
    ) -> None:
        self._tensor, self._choice, self._recipe = tensor.astype(np.float64), choice, recipe
        self._random, self._spacing, self._shrink = random, spacing, shrink

    def draw(self, loss_map: FloatArray, count: int) -> Drawn:
        recipe, width = self._recipe, loss_map.shape[1]
        numbers, doubles = self._numbers(count, 12)
        sums = loss_map.astype(np.float64).cumsum()
        pixel = np.searchsorted(sums, doubles[:, 0] * sums[-1]).clip(0, len(sums) - 1)
        template = self._templates(doubles[:, 1])
        params = np.full((count, 9), 0.5)
        aside = recipe.error_blur * np.stack(normals(numbers[:, 2], numbers[:, 3]), 1) + 0.5
        params[:, :2] = (np.stack([pixel % width, pixel // width], 1) + aside) * self._shrink
        largest = recipe.largest_candidate * self._spacing
        smallest = min(max(recipe.candidate_floor, recipe.smallest_candidate * self._spacing), largest)
        params[:, 2] = smallest * (largest / smallest) ** numbers[:, 4]
        params[:, 5] = recipe.candidate_opacity
        limits = self._choice.limits
        bounds = limits.bounds(template)
        free = limits.free[template]
        low, high = np.where(free, 0.0, bounds.low[:, 4]), np.where(free, 2.0 * math.pi, bounds.high[:, 4])
        oriented = numbers[:, 7] < recipe.oriented
        along = self._along_edges(pixel, template, *normals(numbers[:, 8], numbers[:, 9]), numbers[:, 10] < 0.5)
        stretch = limits.stretch[template].astype(np.float64)
        params[:, 3] = np.where(oriented, along[0], np.exp(np.log(stretch) * (2.0 * numbers[:, 6] - 1.0)))
        params[:, 4] = np.where(oriented, along[1], low + (high - low) * numbers[:, 5])
        return self._allowed(params, template), template, limits.may_mirror[template] & (numbers[:, 11] < 0.5)

    def vary(self, params: FloatArray, template: IntArray, mirror: NDArray[np.bool_], reach: float) -> Drawn:
        numbers, doubles = self._numbers(len(template), 8)
        normal = [half for k in (0, 2, 4) for half in normals(numbers[:, k], numbers[:, k + 1])]
        varied = params.astype(np.float64)
        varied[:, :2] += 0.6 * reach * params[:, 2:3] * np.stack(normal[:2], 1)
        varied[:, 2] *= np.exp(0.6 * reach * normal[2])
        varied[:, 3] *= np.exp(reach * normal[3])
        varied[:, 4] += 1.2 * reach * normal[4]
        kind = np.where(numbers[:, 7] < 0.3, self._templates(doubles[:, 6]), template)
        return self._allowed(varied, kind), kind, mirror & self._choice.limits.may_mirror[kind]

    def directions(self, pixel: IntArray) -> tuple[Doubles, Doubles]:
        """Returns coherence and angle of the edges at these pixels."""
        xx, xy, yy = self._tensor.reshape(3, -1)[:, pixel]
        coherence = np.hypot(xx - yy, 2.0 * xy) / (xx + yy + 1e-5)
        return coherence, 0.5 * np.arctan2(2.0 * xy, xx - yy) + 0.5 * math.pi

    def _along_edges(
        self, pixel: IntArray, template: IntArray, stretch: Doubles, turn: Doubles, flipped: NDArray[np.bool_]
    ) -> tuple[Doubles, Doubles]:
        coherence, edge = self.directions(pixel)
        own = self._choice.long_axes[template].astype(np.float64)
        sign = np.where(np.abs(own) > math.pi / 4, -1.0, 1.0)
        aspect = np.exp(sign * self._recipe.stretched * coherence * np.abs(stretch))
        return aspect, edge - own + self._recipe.turned * turn + math.pi * flipped

    def _templates(self, share: Doubles) -> IntArray:
        sums = self._choice.capacities.cumsum()
        return np.searchsorted(sums, share * sums[-1], side="right").clip(0, len(sums) - 1)

    def _allowed(self, params: Doubles, template: IntArray) -> Doubles:
        params[:, 2] = np.maximum(params[:, 2], self._recipe.least_scale)
        params[:, 6:] = 0.5
        return self._choice.limits.bounds(template).clamp(params)  # type: ignore[arg-type, return-value]

    def _numbers(self, count: int, each: int) -> tuple[Doubles, Doubles]:
        """Returns the same random numbers [count, each] in the steps of floats and of doubles."""
        first = self._random.take(count * each)
        streams = [np.empty(0), np.empty(0)]
        for kind in (0, 1):
            again = Random(0)
            again.key = self._random.key
            again.take(first)
            streams[kind] = (again.uniform64 if kind else again.uniform)(count, each).astype(np.float64)
        return streams[0], streams[1]


def normals(one: Doubles, other: Doubles) -> tuple[Doubles, Doubles]:
    """Returns pairs of normally distributed numbers from pairs of evenly distributed ones."""
    distance = np.sqrt(-2.0 * np.log1p(-one))
    return distance * np.cos(2.0 * math.pi * other), distance * np.sin(2.0 * math.pi * other)
