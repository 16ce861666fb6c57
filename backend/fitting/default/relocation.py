"""Relocation: the least useful primitives are replaced by candidates where these help most.

Gradients move a primitive by some pixels, but hardly change how many there are in a part of the picture, or their
order. So every few steps, the primitives with the least removal loss (engines.Scores) are removed, and as many
candidates are put on top of the picture. Many more candidates are drawn where the error is; each gets its best color in
closed form, and with it its exact gain. The best ones are varied, and kept where that helps.
"""

from __future__ import annotations

import math
from ctypes import c_int64
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...engines.interface import Engine, Placement, Scores
from ...native.arrays import BoolArray, FloatArray, IntArray
from ...native.calls import FLOATS, function
from ...pictures.color import decode, encode
from ..constraints.conflicts import Conflicts
from ..constraints.palette import best_of_palette
from ..constraints.usage import match
from ..primitives import as_composited
from ..random import Random
from ..recipe import Recipe
from .choice import Choice
from .drawing import Drawer
from .orientation import edge_step, edges


@dataclass(eq=False)
class Candidates:
    """M primitives that might be added."""

    params: FloatArray  # [M, 9] the best colors, display-encoded
    template: IntArray  # [M]
    mirror: BoolArray  # [M]
    gain: FloatArray  # [M] decrease of the loss by each one alone

    def __getitem__(self, index: IntArray) -> Candidates:
        return Candidates(self.params[index], self.template[index], self.mirror[index], self.gain[index])

    def replace_worse(self, index: IntArray, others: Candidates) -> None:
        """Replaces the candidates at `index` (each once) by the others that gain more."""
        better = others.gain > self.gain[index]
        for name, values in vars(self).items():
            values[index[better]] = getattr(others, name)[better]

    def best(self, count: int) -> IntArray:
        """Returns the index of the `count` greatest gains, the greatest first."""
        return np.argsort(-self.gain, kind="stable")[:count]


def exchange(
    loss: float,  # of the step of the costs
    cost: FloatArray,  # [K] ascending: what removing each of K primitives costs
    leaving: IntArray,  # [K] index of these primitives
    template: IntArray,  # [N] of all primitives
    found: Candidates,  # the best first
    capacity: IntArray,  # [T] greatest number of primitives of each template
    *,
    separation: float,  # see Conflicts
    spacing: float = 0.0,  # px
    positions: FloatArray | None = None,  # [N, 2] px, if there is a spacing
) -> tuple[IntArray, IntArray]:
    """Chooses primitives and the candidates that replace them: index of both [P]."""
    # After a failed step of an engine, the scores are meaningless.
    if not math.isfinite(loss):
        return leaving[:0], leaving[:0]
    conflicts = Conflicts(
        found.params[:, :2],
        found.params[:, 2],
        separation=separation,
        spacing=spacing,
        primitives=positions,
        victims=leaving,
    )
    counts = np.bincount(template, minlength=len(capacity))
    removed, added = match(cost, template[leaving], found.gain, found.template, counts, capacity, conflicts)
    return leaving[removed], added


class CandidateSearch:
    """Finds candidates for a picture, which may be smaller than the canvas; params are in px of the canvas."""

    def __init__(
        self,
        engine: Engine,
        target: FloatArray,  # [3, h, w] display-encoded
        weight: FloatArray,  # [h, w]
        choice: Choice,
        recipe: Recipe,
        random: Random,
        *,
        spacing: float,  # mean spacing of the primitives, px
        shrink: int = 1,  # canvas pixels per pixel of the picture
        linear: bool = False,
    ) -> None:
        self._engine, self._target, self._weight = engine, target, np.ascontiguousarray(weight)
        self._choice, self._recipe = choice, recipe
        self._shrink, self._linear = shrink, linear
        self._random, self._spacing = random, spacing
        self._composited = self._light = np.ascontiguousarray(decode(target) if linear else target)
        self._color_weight = np.empty_like(self._light) if linear else self._weight  # of each channel, or of all
        palette = choice.palette
        self._palette = decode(palette) if palette is not None and linear else palette

    @cached_property
    def _drawer(self) -> Drawer:
        # Not before the first relocation: a fit may end earlier.
        spacing, shrink = self._spacing, self._shrink
        sigma = max(1.0, self._recipe.orientation_blur * spacing / shrink)
        step = edge_step(sigma)
        tensor = edges(self._target, sigma, step)
        return Drawer(tensor, self._choice, self._recipe, self._random, spacing=spacing, shrink=shrink, step=step)

    def find(self, scores: Scores, places: int, bias: float) -> Candidates:
        """Finds several candidates for each of the places, on top of the picture of the scores.

        bias: texels per pixel of the picture, for the mip levels.
        """
        recipe, climbers = self._recipe, self._recipe.climbers * places
        self._prepare(scores)
        drawn = self._drawer.draw(scores.loss_map, places * recipe.candidates)
        found = self._judged(*drawn, scores, bias, rows=recipe.ranked_rows)
        # Only the best may be varied or chosen.
        found = found[found.best(2 * climbers)]
        if recipe.ranked_rows > 1:
            found = self._judged(found.params, found.template, found.mirror, scores, bias)
        found = self._exact(found, scores, bias)
        for climb in range(recipe.climbs):
            best = found.best(climbers)
            some = found[best]
            reach = recipe.climb / (1.0 + 0.5 * climb)
            varied = self._drawer.vary(some.params, some.template, some.mirror, reach)
            found.replace_worse(best, self._exact(self._judged(*varied, scores, bias), scores, bias))
        return found

    def _prepare(self, scores: Scores) -> None:
        """Takes the target of a step, with noise where it stays clear, and the weights for its picture."""
        if not self._linear:
            self._composited = scores.target
            return
        self._composited = self._light if scores.target is self._target else decode(scores.target)
        planes = [np.ascontiguousarray(plane) for plane in (scores.image, self._composited)]
        weights = function("diffbmp_light_weights", *[FLOATS] * 3, c_int64, FLOATS)
        # New ones, because an engine may keep its copy of those that it has seen.
        self._color_weight = np.empty_like(self._color_weight)
        weights(self._weight, *planes, self._weight.size, self._color_weight)

    def _judged(
        self,
        params: FloatArray,
        template: IntArray,
        mirror: BoolArray,
        scores: Scores,
        bias: float,
        *,
        rows: int = 1,
    ) -> Candidates:
        """Returns candidates with the best colors and their gains, exact in display space and else first-order.

        Changes the colors of params.
        """
        solutions = self._engine.solve_on_top(
            params,
            self._placement(params, template, mirror, bias),
            scores.image,
            self._composited,
            self._color_weight,
            rows=rows,
        )
        if self._palette is None:
            color = (solutions.numerator / np.maximum(solutions.denominator, np.float32(1e-12))).clip(0.0, 1.0)
        else:
            color = self._palette[best_of_palette(solutions.numerator, solutions.denominator, self._palette)]
        params[:, 6:] = encode(color) if self._linear else color
        return Candidates(params, template, mirror, solutions.gain(color))

    def _exact(self, some: Candidates, scores: Scores, bias: float) -> Candidates:
        """Returns candidates with exact gains."""
        if not self._linear:
            return some
        placement = self._placement(some.params, some.template, some.mirror, bias)
        gain = self._engine.gains_on_top(as_composited(some.params, True), placement, scores, self._weight)
        return Candidates(some.params, some.template, some.mirror, gain)

    def _placement(self, params: FloatArray, template: IntArray, mirror: BoolArray, bias: float) -> Placement:
        level = self._choice.templates.choose_levels(template, params[:, 2], params[:, 3], bias / self._shrink)
        return Placement(template, level, mirror)
