"""The descent of the recipe `default`: gradient steps, with a relocation every few of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...engines import make_rasterizer
from ...engines.interface import Rasterizer
from ...engines.scaled import ScaledRasterizer
from ...job import Layout, Settings
from ...templates import Templates
from ..constraints.limits import StampLimits
from ..constraints.palette import palette_of
from ..constraints.spacing import check_spacing
from ..constraints.usage import capacities
from ..goal import Goal
from ..judge import CPU, Judge
from ..objective import Objective
from ..primitives import Primitives, as_composited
from ..recipe import DEFAULT
from .initialize import first_primitives
from .population import Population
from .relocation import CandidateSearch, Choice
from .schedule import Moment, Schedule
from .stage import Evaluated, Stage


class DefaultDescent:
    """The descent of the recipe `default`: a Population passes Stages by a Schedule. See fitting.descent.Descent.

    The start is made on the CPU; everything after it is on the engine's device.
    """

    _moment: Moment  # of the latest evaluation
    _evaluated: Evaluated

    def __init__(self, goal: Goal, templates: Templates, settings: Settings, start: Layout | None) -> None:
        self._templates, self._settings = templates, settings
        self._canvas = height, width = goal.target.shape[1], goal.target.shape[2]
        self._generator = torch.Generator().manual_seed(settings.seed)
        self._recipe = recipe = DEFAULT if start is None else DEFAULT.continued(added=settings.added > 0)
        count = settings.count if start is None else start.count + settings.added
        capacity = capacities(templates, count, settings.usage)
        check_spacing(settings.spacing * max(self._canvas), count, height, width)
        palette = palette_of(settings, goal.colors, goal.seen, self._generator)
        choice = Choice(templates, StampLimits(templates, height, width, recipe.least_scale), capacity, palette)
        primitives = first_primitives(goal, choice, settings, recipe, start, self._generator)
        rasterizer = self._rasterizer(1)
        device = rasterizer.torch_device
        templates.shapes(device)  # copies them now rather than during the steps
        self._goal, self._choice = goal.to(device), choice.to(device)
        self._spacing = math.sqrt(height * width / count)
        self._rule = recipe.adam_rule(self._spacing, settings.iterations)
        canvas = self._canvas
        self._population = Population(primitives, self._choice, settings, recipe, self._rule, canvas, device)
        self._judge = Judge(rasterizer, self._goal, linear=self._linear)
        self._schedule = Schedule(
            recipe,
            max(canvas),
            self._spacing,
            shrinks=goal.users_loss is None,  # it may depend on the size of the picture
            relocates=goal.users_loss is None and not settings.locked,
            palette=palette is not None,
        )
        self._stage = self._stage_of(self._schedule.shrink_at(0.0))

    def evaluate(self, step: int, progress: float) -> Tensor:
        self._moment = moment = self._schedule.at(step, progress)
        if moment.shrink != self._stage.shrink:
            self._stage = self._stage_of(moment.shrink)
        if moment.limited:
            self._population.limit_colors()
        self._evaluated = self._stage.evaluate(self._population, moment)
        return self._evaluated.loss

    def advance(self, progress: float) -> None:
        evaluated, moment = self._evaluated, self._moment
        if evaluated.gradient is not None:
            self._population.step(evaluated.gradient, moment.rate)
        if evaluated.scores is not None:
            places = min(self._population.replaceable, int(moment.relocated * len(self._population)))
            if places > 0:
                found = self._stage.search.find(evaluated.scores, places, moment.bias)
                found = found[found.best(self._recipe.climbers * places)]
                self._population.relocate(evaluated.loss, evaluated.scores.removal, found, places)
        self._population.arrange()

    def accepts(self, loss: float) -> bool:
        self._stage.objective.check(loss)
        return math.isfinite(loss)

    @property
    def phase(self) -> int:
        return self._moment.phase

    @property
    def primitives(self) -> Primitives:
        return self._population.at(self._evaluated.params)

    def finished(self, primitives: Primitives) -> Primitives:
        return self._population.settled(primitives)

    def judge(self, primitives: Primitives) -> tuple[Tensor, float]:
        placement = primitives.placement(self._templates, self._recipe.bias)
        return self._judge(as_composited(primitives.params, self._linear), placement)

    def layout(self, primitives: Primitives) -> Layout:
        primitives = primitives.to(CPU)
        level = primitives.placement(self._templates, self._recipe.bias).level
        return primitives.to_layout(level, self._templates, self._settings, *self._canvas)

    @property
    def _linear(self) -> bool:
        return self._settings.space == "linear"

    def _stage_of(self, shrink: int) -> Stage:
        """Makes the stage whose picture is smaller than the canvas by this factor."""
        rasterizer, goal, canvas = self._rasterizer(shrink), self._goal.shrunk(shrink), self._canvas
        count, generator, linear = len(self._population), self._generator, self._linear
        objective = Objective(rasterizer, goal, self._templates, count, generator, canvas=canvas, linear=linear)
        search = CandidateSearch(
            rasterizer,
            goal.target,
            objective.weight,
            self._choice,
            self._recipe,
            generator,
            spacing=self._spacing,
            shrink=shrink,
            linear=linear,
        )
        iteration, loss = None, objective.engines_loss
        if loss is not None:
            iteration = rasterizer.iteration(count, self._rule, loss=loss, palette=self._choice.palette)
        return Stage(shrink, objective, search, iteration)

    def _rasterizer(self, shrink: int) -> Rasterizer:
        height, width = (-(-side // shrink) for side in self._canvas)
        settings = self._settings
        rasterizer = make_rasterizer(
            settings.engine, self._templates, height, width, space=settings.space, threads=settings.threads
        )
        return rasterizer if shrink == 1 else ScaledRasterizer(rasterizer, shrink)
