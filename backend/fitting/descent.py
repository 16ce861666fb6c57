"""The descent of the recipe `default`: a gradient step at a time, and relocation every few of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..color import decode
from ..engines import Placement, Rasterizer, Scores, make_rasterizer
from ..engines.scaled import ScaledRasterizer
from ..job import Layout, Settings
from ..templates import Templates
from .conflicts import Conflicts
from .initialize import initialize
from .limits import Bounds, StampLimits, locked_columns, order_key
from .objective import Goal, Judge, Objective
from .optimizer import Optimizer
from .palette import palette_of
from .primitives import Primitives
from .recipe import DEFAULT
from .relocation import Candidates, CandidateSearch, Choice
from .spacing import check_spacing, settle, spread
from .usage import assign, capacities, check_usage, match


@dataclass
class _Stage:
    """A share of the steps, which works on a picture of one size."""

    shrink: int  # canvas pixels to a pixel of the picture
    objective: Objective
    search: CandidateSearch


class DefaultDescent:
    """See fitting.Descent."""

    def __init__(self, goal: Goal, templates: Templates, settings: Settings, start: Layout | None) -> None:
        self._goal, self._templates, self._settings = goal, templates, settings
        self._recipe = recipe = DEFAULT if start is None else DEFAULT.continued()
        self._height, self._width = goal.target.shape[1:]
        self._linear = settings.space == "linear"
        self._generator = torch.Generator().manual_seed(settings.seed)
        self._limits = StampLimits(templates, self._height, self._width, recipe.least_scale)
        self._count = count = settings.count if start is None else start.count
        self._capacities = capacities(templates, count, settings.usage)
        self._separation = settings.spacing * max(self._height, self._width)  # px
        check_spacing(self._separation, count, self._height, self._width)
        palette = palette_of(settings, goal.target, goal.weight, self._generator)
        self._choice = Choice(templates, self._limits, self._capacities.float(), palette)
        if start is None:
            template = assign(self._capacities, count, self._generator)
            self._primitives = initialize(goal, templates, template, self._limits, recipe, self._generator)
        else:
            self._primitives = Primitives.from_layout(start, templates, self._height, self._width)
            check_usage(self._primitives.template, templates)
        self._spacing = math.sqrt(self._height * self._width / count)
        self._optimizer = Optimizer(
            self._primitives.params,
            self._bounds(),
            self._frozen(),
            recipe,
            self._spacing,
            momentum=recipe.momentum_in(settings.iterations),
            linear=self._linear,
            palette=palette,
        )
        if self._separation > 0:
            self._optimizer.move(self._apart(self.primitives, settle)[:, :2])
        self._put_in_order()
        self._judge = Judge(self._rasterizer(1), goal, linear=self._linear)
        self._limited = False
        self._stage = self._stage_at(0.0)
        self._gradient = torch.empty(0)
        self._scores: Scores | None = None
        self._bias = recipe.bias

    def evaluate(self, step: int, progress: float) -> float:
        recipe = self._recipe
        if self._shrink_at(progress) != self._stage.shrink:
            self._stage = self._stage_at(progress)
        if self._choice.palette is not None and progress >= recipe.palette_from and not self._limited:
            self._limited = True
            self._optimizer.limit_colors()
        self._bias = recipe.bias_at(progress)
        placement = self._placement(self._primitives, self._optimizer.params, self._bias / self._stage.shrink)
        scored = self._relocates(step, progress)
        loss, self._gradient, self._scores = self._stage.objective(self._optimizer.params, placement, scored=scored)
        return loss

    def advance(self, progress: float) -> None:
        self._optimizer.step(self._gradient, self._recipe.rate_at(progress))
        if self._scores is not None:
            self._relocate(self._scores, progress)
        if self._separation > 0:
            self._optimizer.move(self._apart(self.primitives, spread)[:, :2])
        self._put_in_order()

    @property
    def phase(self) -> int:
        sharp = self._bias == self._recipe.bias
        return -self._stage.shrink if self._stage.shrink > 1 or not sharp else int(self._limited)

    @property
    def primitives(self) -> Primitives:
        return replace(self._primitives, params=self._optimizer.encoded)

    def finished(self, primitives: Primitives) -> Primitives:
        if self._separation <= 0:
            return primitives
        return replace(primitives, params=self._apart(primitives, settle))

    def judge(self, primitives: Primitives) -> tuple[Tensor, float]:
        params = primitives.params
        if self._linear:
            params = torch.cat([params[:, :6], decode(params[:, 6:])], 1)
        return self._judge(params, self._placement(primitives, params, self._recipe.bias))

    def layout(self, primitives: Primitives) -> Layout:
        level = self._placement(primitives, primitives.params, self._recipe.bias).level
        return primitives.to_layout(level, self._templates, self._settings, self._height, self._width)

    def _stage_at(self, progress: float) -> _Stage:
        shrink = self._shrink_at(progress)
        rasterizer, goal = self._rasterizer(shrink), self._goal.shrunk(shrink)
        objective = Objective(
            rasterizer,
            goal,
            self._templates,
            self._count,
            self._generator,
            canvas=(self._height, self._width),
            linear=self._linear,
        )
        search = CandidateSearch(
            rasterizer,
            goal.target,
            objective.weight,
            self._choice,
            self._recipe,
            self._generator,
            spacing=self._spacing,
            shrink=shrink,
            linear=self._linear,
        )
        return _Stage(shrink, objective, search)

    def _shrink_at(self, progress: float) -> int:
        # A user's own loss may know the size of its picture.
        if self._goal.users_loss is not None:
            return 1
        return self._recipe.shrink_at(progress, max(self._height, self._width), self._spacing)

    def _rasterizer(self, shrink: int) -> Rasterizer:
        height, width = -(-self._height // shrink), -(-self._width // shrink)
        settings = self._settings
        rasterizer = make_rasterizer(
            settings.engine, self._templates, height, width, space=settings.space, threads=settings.threads
        )
        return rasterizer if shrink == 1 else ScaledRasterizer(rasterizer, shrink)

    def _placement(self, primitives: Primitives, params: Tensor, bias: float) -> Placement:
        level = self._templates.choose_levels(primitives.template, params[:, 2], params[:, 3], bias)
        return Placement(primitives.template, level, primitives.mirror)

    def _bounds(self) -> Bounds:
        """What the stamps' limits and the recipe's allow. Where they contradict each other, the stamps' hold."""
        own, recipe = self._limits.bounds(self._primitives.template), self._recipe
        low, high = own.low.clone(), own.high.clone()
        low[:, :2], high[:, 0], high[:, 1] = -recipe.margin, self._width + recipe.margin, self._height + recipe.margin
        faintest = 1.0 / (1.0 + math.exp(recipe.logit_limit))
        low[:, 5] = torch.minimum(own.low[:, 5].clamp_min(faintest), own.high[:, 5])
        high[:, 5] = torch.maximum(own.high[:, 5].clamp_max(1.0 - faintest), own.low[:, 5])
        return Bounds(low, high)

    def _frozen(self) -> Tensor:
        return self._primitives.locked[:, None] | locked_columns(self._settings.locked)

    def _relocates(self, step: int, progress: float) -> bool:
        recipe = self._recipe
        possible = recipe.relocated > 0 and not self._settings.locked and self._goal.users_loss is None
        return possible and (step + 1) % recipe.relocate_every == 0 and progress < recipe.relocate_until

    def _relocate(self, scores: Scores, progress: float) -> None:
        recipe, primitives = self._recipe, self._primitives
        places = int(recipe.relocated * (1.0 - progress) * len(primitives.template))
        if places == 0:
            return
        removal, leaving = scores.removal.masked_fill(primitives.locked, math.inf).sort(stable=True)
        removal, leaving = removal[:places], leaving[:places]
        found = self._stage.search.find(scores, places, self._bias)
        found = found[found.best(recipe.climbers * places)]
        conflicts = Conflicts(
            found.params[:, :2],
            found.params[:, 2],
            separation=recipe.separation,
            spacing=self._separation,
            primitives=self._optimizer.encoded[:, :2],
            victims=leaving,
        )
        removed, added = match(
            removal * recipe.acceptance,
            primitives.template[leaving],
            found.gain,
            found.template,
            primitives.template.bincount(minlength=len(self._capacities)),
            self._capacities,
            conflicts,
        )
        self._replace(leaving[removed], found[added])

    def _replace(self, leaving: Tensor, arriving: Candidates) -> None:
        """Takes primitives away and puts others in front."""
        staying = torch.ones(self._count, dtype=torch.bool)
        staying[leaving] = False
        order = staying.nonzero()[:, 0]
        self._primitives = self._primitives.rearranged(order, arriving.template, arriving.mirror)
        self._optimizer.rearrange(order, arriving.params, self._bounds(), self._frozen())

    def _put_in_order(self) -> None:
        """Sorts the primitives as the settings ask for; locked ones keep their place in the order."""
        key = order_key(self._settings.order, self._optimizer.encoded)
        if key is None:
            return
        movable = (~self._primitives.locked).nonzero()[:, 0]
        order = torch.arange(self._count)
        order[movable] = movable[key[movable].argsort(stable=True)]
        none = torch.empty(0, dtype=torch.int64)
        self._primitives = self._primitives.rearranged(order, none, none.bool())
        self._optimizer.rearrange(order, torch.empty(0, 9), self._bounds(), self._frozen())

    def _apart(self, primitives: Primitives, method: Callable[..., tuple[Tensor, Tensor]]) -> Tensor:
        """Their params [N, 9] with positions by spacing.spread or spacing.settle."""
        params = primitives.params
        movable = ~(primitives.locked | locked_columns(self._settings.locked)[:2].any())
        x, y = method(params[:, 0], params[:, 1], self._separation, movable, self._height, self._width)
        return torch.cat([torch.stack([x, y], 1), params[:, 2:]], 1)
