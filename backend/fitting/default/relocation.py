"""Relocation: the least useful primitives are replaced by candidates where these help most.

Gradients move a primitive by some pixels, but hardly change how many there are in a part of the picture, or their
order. So every few steps, the primitives with the least removal loss (engines.Scores) are removed, and as many
candidates are put on top of the picture. Many more candidates are drawn where the error is; each gets its best color in
closed form, and with it its exact gain. The best ones are varied, and kept where that helps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...engines.interface import Placement, Rasterizer, Scores
from ...engines.transfer import fetched, moved
from ...pictures.color import decode, encode
from ...templates import Templates
from ..constraints.conflicts import Conflicts
from ..constraints.limits import StampLimits
from ..constraints.palette import best_of_palette
from ..constraints.usage import match
from ..primitives import as_composited
from ..recipe import Recipe
from .orientation import Edges, long_axes


@dataclass
class Candidates:
    """M primitives that might be added."""

    params: Tensor  # [M, 9] the best colors, display-encoded
    template: Tensor  # [M] int64
    mirror: Tensor  # [M] bool
    gain: Tensor  # [M] decrease of the loss by each one alone

    def __getitem__(self, index: Tensor) -> Candidates:
        return Candidates(self.params[index], self.template[index], self.mirror[index], self.gain[index])

    def to(self, device: torch.device) -> Candidates:
        return Candidates(**{name: values.to(device) for name, values in vars(self).items()})

    def replace_worse(self, index: Tensor, others: Candidates) -> None:
        """Replaces the candidates at `index` (each once) by the others that gain more."""
        better = others.gain > self.gain[index]
        for name, values in vars(self).items():
            kept = values[index]
            chosen = better.reshape(-1, *[1] * (kept.ndim - 1))
            values[index] = torch.where(chosen, getattr(others, name), kept)

    def best(self, count: int) -> Tensor:
        """Returns the index of the `count` greatest gains, the greatest first."""
        return self.gain.sort(descending=True, stable=True).indices[:count]


@dataclass(frozen=True)
class Choice:
    """The range of candidates: templates, their limits and capacities, the palette."""

    templates: Templates
    limits: StampLimits
    capacities: Tensor  # [T] greatest number of each template, and weight in drawing it; always on the CPU
    palette: Tensor | None = None  # [P, 3] display-encoded

    def to(self, device: torch.device) -> Choice:
        palette = None if self.palette is None else self.palette.to(device)
        return replace(self, limits=self.limits.to(device), palette=palette)


def exchange(
    loss: Tensor,  # [] of the step of the costs
    cost: Tensor,  # [K] ascending: what removing each of K primitives costs
    leaving: Tensor,  # [K] index of these primitives
    template: Tensor,  # [N] of all primitives
    found: Candidates,  # the best first
    capacity: Tensor,  # [T] greatest number of primitives of each template; on the CPU
    *,
    separation: float,  # see Conflicts
    spacing: float = 0.0,  # px
    positions: Tensor | None = None,  # [N, 2] px, if there is a spacing
) -> tuple[Tensor, Tensor]:
    """Chooses primitives and the candidates that replace them: index of both [P], on the CPU."""
    where = found.params[:0, :2] if positions is None else positions
    loss, cost, leaving, template, gain, of_found, place, where = fetched(
        loss, cost, leaving, template, found.gain, found.template, found.params[:, :3], where
    )
    # After a failed step of an engine, the scores are meaningless.
    if not math.isfinite(float(loss)):
        return leaving[:0], leaving[:0]
    conflicts = Conflicts(
        place[:, :2], place[:, 2], separation=separation, spacing=spacing, primitives=where, victims=leaving
    )
    counts = template.bincount(minlength=len(capacity))
    removed, added = match(cost, template[leaving], gain, of_found, counts, capacity, conflicts)
    return leaving[removed], added


class CandidateSearch:
    """Finds candidates for a picture, which may be smaller than the canvas; params are in px of the canvas."""

    def __init__(
        self,
        rasterizer: Rasterizer,
        target: Tensor,  # [3, h, w] display-encoded
        weight: Tensor,  # [h, w]
        choice: Choice,
        recipe: Recipe,
        generator: torch.Generator,
        *,
        spacing: float,  # mean spacing of the primitives, px
        shrink: int = 1,  # canvas pixels per pixel of the picture
        linear: bool = False,
    ) -> None:
        self._rasterizer, self._target, self._weight = rasterizer, target, weight
        self._device = target.device
        self._choice, self._recipe, self._generator = choice, recipe, generator
        self._spacing, self._shrink, self._linear = spacing, shrink, linear
        self._edges = Edges(target, max(1.0, recipe.orientation_blur * spacing / shrink))
        self._long_axes = long_axes(choice.templates).to(self._device)
        self._light = decode(target) if linear else target
        self._composited = self._light
        self._color_weight = weight.expand(3, -1, -1).contiguous()

    def find(self, scores: Scores, places: int, bias: float) -> Candidates:
        """Finds several candidates for each of the places, on top of the picture of the scores.

        bias: texels per pixel of the picture, for the mip levels.
        """
        recipe, climbers = self._recipe, self._recipe.climbers * places
        self._composited = self._as_composited(scores.target)
        if self._linear:
            self._color_weight = self._weight * _squared_slope(0.5 * (scores.image + self._composited))
        found = self._judged(*self._drawn(scores, places * recipe.candidates), scores, bias)
        # Only the best may be varied or chosen.
        found = self._exact(found[found.best(2 * climbers)], scores, bias)
        for climb in range(recipe.climbs):
            best = found.best(climbers)
            varied = self._varied(found[best], recipe.climb / (1.0 + 0.5 * climb))
            after = self._exact(self._judged(*varied, scores, bias), scores, bias)
            found.replace_worse(best, after)
        return found

    def _as_composited(self, target: Tensor) -> Tensor:
        """Returns the target of a step, with noise where it stays clear, as composited."""
        if target is self._target:
            return self._light
        return decode(target) if self._linear else target

    def _drawn(self, scores: Scores, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draws params, templates and mirrors of candidates, more of them where the error is."""
        recipe, limits = self._recipe, self._choice.limits
        width = self._target.shape[2]
        error = _running_sum(scores.loss_map)
        index = torch.searchsorted(error, self._uniform(count).double() * error[-1]).clamp_max(len(error) - 1)
        template = self._templates(count)
        params = torch.empty(count, 9, device=self._device)
        # The same as drawing from a blurred error.
        aside = recipe.error_blur * self._normal(2, count) + 0.5
        params[:, 0] = (index % width + aside[0]) * self._shrink
        params[:, 1] = (index // width + aside[1]) * self._shrink
        largest = recipe.largest_candidate * self._spacing
        smallest = min(max(recipe.candidate_floor, recipe.smallest_candidate * self._spacing), largest)
        params[:, 2] = smallest * (largest / smallest) ** self._uniform(count)
        params[:, 5] = recipe.candidate_opacity
        rotation = limits.random_rotation(template, self._generator)
        aspect = (limits.stretch[template].log() * (2.0 * self._uniform(count) - 1.0)).exp()
        oriented = self._uniform(count) < recipe.oriented
        along = self._along_edges(index, template)
        params[:, 3] = torch.where(oriented, along[0], aspect)
        params[:, 4] = torch.where(oriented, along[1], rotation)
        return self._allowed(params, template), template, limits.random_mirror(template, self._generator)

    def _along_edges(self, index: Tensor, template: Tensor) -> tuple[Tensor, Tensor]:
        """Returns aspect and rotation of stamps that follow the edges at these pixels."""
        recipe, count = self._recipe, len(index)
        coherence, edge = self._edges.coherence.flatten()[index], self._edges.angle.flatten()[index]
        own = self._long_axes[template]
        # A stamp that is long along u stretches u along the edge; one that is long across u shrinks u.
        sign = 1.0 - 2.0 * (own.abs() > math.pi / 4)
        aspect = (sign * recipe.stretched * coherence * self._normal(count).abs()).exp()
        either_end = math.pi * (self._uniform(count) < 0.5)
        return aspect, edge - own + recipe.turned * self._normal(count) + either_end

    def _varied(self, some: Candidates, reach: float) -> tuple[Tensor, Tensor, Tensor]:
        """Returns params, templates and mirrors near those of some candidates."""
        count = len(some.gain)
        params, template = some.params.clone(), some.template
        params[:, :2] += 0.6 * reach * some.params[:, 2:3] * self._normal(count, 2)
        params[:, 2] *= (0.6 * reach * self._normal(count)).exp()
        params[:, 3] *= (reach * self._normal(count)).exp()
        params[:, 4] += 1.2 * reach * self._normal(count)
        if len(self._choice.templates) > 1:
            other = self._templates(count)
            template = torch.where(self._uniform(count) < 0.3, other, template)
        mirror = some.mirror & self._choice.limits.may_mirror[template]
        return self._allowed(params, template), template, mirror

    def _allowed(self, params: Tensor, template: Tensor) -> Tensor:
        params[:, 2].clamp_(min=self._recipe.least_scale)
        params[:, 6:] = 0.5
        return self._choice.limits.bounds(template).clamp(params)

    def _judged(self, params: Tensor, template: Tensor, mirror: Tensor, scores: Scores, bias: float) -> Candidates:
        """Returns candidates with the best colors and their gains, exact in display space and else first-order."""
        placement = self._placement(params, template, mirror, bias)
        solutions = self._rasterizer.solve_on_top(params, placement, scores.image, self._composited, self._color_weight)
        palette = self._choice.palette
        if palette is None:
            color = (solutions.numerator / solutions.denominator.clamp_min(1e-12)).clamp_(0.0, 1.0)
        else:
            light = decode(palette) if self._linear else palette
            color = light[best_of_palette(solutions.numerator, solutions.denominator, light)]
        params[:, 6:] = encode(color) if self._linear else color
        return Candidates(params, template, mirror, solutions.gain(color))

    def _exact(self, some: Candidates, scores: Scores, bias: float) -> Candidates:
        """Returns candidates with exact gains."""
        if not self._linear:
            return some
        placement = self._placement(some.params, some.template, some.mirror, bias)
        gain = self._rasterizer.gains_on_top(as_composited(some.params, True), placement, scores, self._weight)
        return Candidates(some.params, some.template, some.mirror, gain)

    def _placement(self, params: Tensor, template: Tensor, mirror: Tensor, bias: float) -> Placement:
        level = self._choice.templates.choose_levels(template, params[:, 2], params[:, 3], bias / self._shrink)
        return Placement(template, level, mirror)

    # Random numbers come from the CPU, so that all engines see the same.

    def _uniform(self, count: int) -> Tensor:
        return moved(torch.rand(count, generator=self._generator), self._device)

    def _normal(self, *shape: int) -> Tensor:
        return moved(torch.randn(*shape, generator=self._generator), self._device)

    def _templates(self, count: int) -> Tensor:
        shares = self._choice.capacities.float()
        drawn = torch.multinomial(shares, count, replacement=True, generator=self._generator)
        return moved(drawn, self._device)


def _running_sum(plane: Tensor) -> Tensor:
    """Returns the running sum of a plane [H, W], row after row: [H * W] float64."""
    # By short scans: on a GPU, a long one, or one of a single row or column, adds in an order that varies.
    rows = plane.cumsum(1, dtype=torch.float64)
    ends = rows[:, -1:].repeat(1, 2).cumsum(0)[:, :1]
    return torch.cat([rows[:1], rows[1:] + ends[:-1]]).flatten()


def _squared_slope(light: Tensor) -> Tensor:
    """Returns the squared derivative of color.encode, to 4 %: it turns squared errors of light into encoded ones."""
    # The straight part near black is as steep as the curve where it begins.
    return light.clamp_min(0.0031308).pow_(2.0 / 2.4 - 2.0).mul_((1.055 / 2.4) ** 2)
