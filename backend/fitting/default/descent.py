"""The descent of the recipe `default`: a gradient step at a time, and relocation every few of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...engines import make_rasterizer
from ...engines.interface import Iteration, Placement, Rasterizer, Scores
from ...engines.scaled import ScaledRasterizer
from ...engines.transfer import moved
from ...job import Layout, Settings
from ...pictures.color import decode
from ...templates import Templates
from ..constraints.limits import Bounds, StampLimits, bounded, locked_columns, order_key
from ..constraints.palette import palette_of
from ..constraints.spacing import check_spacing, settle, spread
from ..constraints.usage import assign, capacities, check_usage
from ..goal import Goal
from ..judge import CPU, Judge
from ..objective import Objective
from ..optimizer import Optimizer
from ..primitives import Primitives
from ..recipe import DEFAULT
from .initialize import initialize
from .relocation import Candidates, CandidateSearch, Choice, exchange


@dataclass
class _Stage:
    """A share of the steps, which works on a picture of one size."""

    shrink: int  # canvas pixels to a pixel of the picture
    objective: Objective
    search: CandidateSearch
    iteration: Iteration | None  # where the engine makes whole steps; else they are made here


class DefaultDescent:
    """See fitting.Descent. The start is made on the CPU, and from then on all is on the engine's device."""

    def __init__(self, goal: Goal, templates: Templates, settings: Settings, start: Layout | None) -> None:
        self._templates, self._settings = templates, settings
        total = settings.count if start is None else start.count + settings.added
        self._recipe = recipe = DEFAULT if start is None else DEFAULT.continued(added=settings.added > 0)
        self._height, self._width = goal.target.shape[1:]
        self._linear = settings.space == "linear"
        self._generator = torch.Generator().manual_seed(settings.seed)
        limits = StampLimits(templates, self._height, self._width, recipe.least_scale)
        self._count = count = total
        self._capacities = capacities(templates, count, settings.usage)
        self._separation = settings.spacing * max(self._height, self._width)  # px
        check_spacing(self._separation, count, self._height, self._width)
        palette = palette_of(settings, goal.colors, goal.seen, self._generator)
        primitives = self._started(goal, limits, start)
        self._spacing = math.sqrt(self._height * self._width / count)
        self._rule = recipe.adam_rule(self._spacing, settings.iterations)

        rasterizer = self._rasterizer(1)
        self._device = device = rasterizer.torch_device
        templates.shapes(device)  # copies them, now rather than in the midst of the steps
        self._goal = goal.to(device)
        self._palette = None if palette is None else palette.to(device)
        self._choice = Choice(templates, limits.to(device), self._capacities.float(), self._palette)
        self._primitives = primitives.to(device)
        # Locked primitives never change their place in the order, so what follows from it holds for the whole fit.
        columns = locked_columns(settings.locked)
        self._frozen = (primitives.locked[:, None] | columns).to(device)
        self._movable = ~(primitives.locked | columns[:2].any())
        self._replaceable = int((~primitives.kept).sum())
        self._ordered = (~primitives.locked).nonzero()[:, 0].to(device)
        self._optimizer = Optimizer(
            self._primitives.params,
            self._bounds(),
            self._frozen,
            self._rule,
            linear=self._linear,
            palette=self._palette,
        )
        if self._separation > 0:
            self._optimizer.move(self._apart(self._optimizer.variables.free, settle))
        self._put_in_order()
        self._judge = Judge(rasterizer, self._goal, linear=self._linear)
        self._limited = False
        self._stage = self._stage_at(0.0)
        self._evaluated = self._optimizer.encoded
        self._loss, self._gradient = torch.empty(()), torch.empty(0)
        self._scores: Scores | None = None
        self._bias = recipe.bias

    def _started(self, goal: Goal, limits: StampLimits, start: Layout | None) -> Primitives:
        """What the fit begins with, on the CPU."""
        if start is None:
            return self._fresh(goal, limits, self._capacities, self._count)
        primitives = Primitives.from_layout(start, self._templates, self._height, self._width)
        check_usage(primitives.template, self._templates)
        if self._settings.added == 0:
            return primitives
        used = primitives.template.bincount(minlength=len(self._templates))
        added = self._fresh(goal, limits, (self._capacities - used).clamp_min(0), self._settings.added)
        # Not seen yet: at the first relocation they go where they help most.
        added.params[:, 5] = 0.0
        return added.before(primitives)

    def _fresh(self, goal: Goal, limits: StampLimits, capacity: Tensor, count: int) -> Primitives:
        template = assign(capacity, count, self._generator)
        return initialize(goal, self._templates, template, limits, self._recipe, self._generator)

    def evaluate(self, step: int, progress: float) -> Tensor:
        recipe, optimizer = self._recipe, self._optimizer
        if self._shrink_at(progress) != self._stage.shrink:
            self._stage = self._stage_at(progress)
        if self._palette is not None and progress >= recipe.palette_from and not self._limited:
            self._limited = True
            optimizer.limit_colors()
        self._bias = recipe.bias_at(progress)
        objective, iteration = self._stage.objective, self._stage.iteration
        scored = self._relocates(step, progress)
        if iteration is None:
            self._evaluated = optimizer.encoded
            self._loss, self._gradient, self._scores = objective(*self._drawn(), scored=scored)
        else:
            self._load(iteration)
            self._loss, self._evaluated, self._scores = objective.run(
                iteration,
                self._drawn,
                rate=recipe.rate_at(progress),
                bias=self._bias / self._stage.shrink,
                limited=self._limited,
                scored=scored,
            )
            optimizer.adopt(iteration.variables)
        return self._loss

    def advance(self, progress: float) -> None:
        if self._stage.iteration is None:
            self._optimizer.step(self._gradient, self._recipe.rate_at(progress))
        if self._scores is not None:
            self._relocate(self._scores, progress)
        if self._separation > 0:
            self._optimizer.move(self._apart(self._optimizer.variables.free, spread))
        self._put_in_order()

    def accepts(self, loss: float) -> bool:
        self._stage.objective.check(loss)
        return math.isfinite(loss)

    @property
    def phase(self) -> int:
        sharp = self._bias == self._recipe.bias
        return -self._stage.shrink if self._stage.shrink > 1 or not sharp else int(self._limited)

    @property
    def primitives(self) -> Primitives:
        return replace(self._primitives, params=self._evaluated)

    def finished(self, primitives: Primitives) -> Primitives:
        if self._separation <= 0:
            return primitives
        position = self._apart(primitives.params, settle)
        return replace(primitives, params=torch.cat([position, primitives.params[:, 2:]], 1))

    def judge(self, primitives: Primitives) -> tuple[Tensor, float]:
        params = primitives.params
        if self._linear:
            params = torch.cat([params[:, :6], decode(params[:, 6:])], 1)
        return self._judge(params, self._placement(primitives, params, self._recipe.bias))

    def layout(self, primitives: Primitives) -> Layout:
        primitives = primitives.to(CPU)
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
        iteration, loss = None, objective.engines_loss
        if loss is not None:
            iteration = rasterizer.iteration(self._count, self._rule, loss=loss, palette=self._palette)
        return _Stage(shrink, objective, search, iteration)

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

    def _drawn(self) -> tuple[Tensor, Placement]:
        """The params [N, 9] that the stage's picture is to be drawn of, colours as composited, and their placement."""
        params = self._optimizer.params
        return params, self._placement(self._primitives, params, self._bias / self._stage.shrink)

    def _load(self, iteration: Iteration) -> None:
        """Gives the iteration what has been changed here since its last step, or all where it is new."""
        if self._optimizer.variables is not iteration.variables:
            iteration.load(self._optimizer.variables, self._primitives.template, self._primitives.mirror)
            self._optimizer.adopt(iteration.variables)

    def _bounds(self) -> Bounds:
        """What the stamps' limits and the recipe's allow."""
        own = self._choice.limits.bounds(self._primitives.template)
        return bounded(own, self._recipe, self._height, self._width)

    def _relocates(self, step: int, progress: float) -> bool:
        recipe = self._recipe
        possible = recipe.relocated > 0 and not self._settings.locked and self._goal.users_loss is None
        return possible and (step + 1) % recipe.relocate_every == 0 and progress < recipe.relocate_until

    def _relocate(self, scores: Scores, progress: float) -> None:
        recipe, primitives = self._recipe, self._primitives
        places = min(self._replaceable, int(recipe.relocated * (1.0 - progress) * len(primitives.template)))
        if places == 0:
            return
        removal, leaving = scores.removal.masked_fill(primitives.locked | primitives.kept, math.inf).sort(stable=True)
        removal, leaving = removal[:places], leaving[:places]
        found = self._stage.search.find(scores, places, self._bias)
        found = found[found.best(recipe.climbers * places)]
        staying, added = self._matched(removal * recipe.acceptance, leaving, found)
        if staying is not None:
            self._replace(moved(staying, self._device), found[moved(added, self._device)])

    def _matched(self, cost: Tensor, leaving: Tensor, found: Candidates) -> tuple[Tensor | None, Tensor]:
        """Which primitives stay and which candidates come to them: indices, on the CPU. None: nothing is to change.

        cost [K], of removing the primitives at `leaving` [K].
        """
        spaced = self._optimizer.variables.free[:, :2] if self._separation > 0 else None
        removed, added = exchange(
            self._loss,
            cost,
            leaving,
            self._primitives.template,
            found,
            self._capacities,
            separation=self._recipe.separation,
            spacing=self._separation,
            positions=spaced,
        )
        if len(removed) == 0:
            return None, added
        staying = torch.ones(self._count, dtype=torch.bool)
        staying[removed] = False
        return staying.nonzero()[:, 0], added

    def _replace(self, staying: Tensor, arriving: Candidates) -> None:
        """Takes the other primitives away and puts new ones in front."""
        self._primitives = self._primitives.rearranged(staying, arriving.template, arriving.mirror)
        self._optimizer.rearrange(staying, arriving.params, self._bounds(), self._frozen)

    def _put_in_order(self) -> None:
        """Sorts the primitives as the settings ask for; locked ones keep their place in the order."""
        free = self._optimizer.variables.free
        key = order_key(self._settings.order, free)
        if key is None:
            return
        order, movable = torch.arange(self._count, device=self._device), self._ordered
        order[movable] = movable[key[movable].argsort(stable=True)]
        none = order[:0]
        self._primitives = self._primitives.rearranged(order, none, none.bool())
        self._optimizer.rearrange(order, free[:0], self._bounds(), self._frozen)

    def _apart(self, params: Tensor, method: Callable[..., tuple[Tensor, Tensor]]) -> Tensor:
        """The positions [N, 2] of params [N, 9] by spacing.spread or spacing.settle, which work on the CPU."""
        x, y = params[:, :2].cpu().unbind(1)
        x, y = method(x, y, self._separation, self._movable, self._height, self._width)
        return moved(torch.stack([x, y], 1), self._device)
