"""The descent of the recipe `default`: gradient steps, with a relocation every few of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import SupportsFloat

from ...engines import make_engine
from ...engines.interface import Engine
from ...engines.scaled import ScaledRasterizer
from ...job import Layout, Settings
from ...native.arrays import FloatArray
from ...stopwatch import part
from ...templates import Templates
from ..constraints.limits import StampLimits
from ..constraints.palette import palette_of
from ..constraints.spacing import check_spacing
from ..constraints.usage import capacities
from ..goal import Goal
from ..judge import Judge
from ..noise import OPEN_CONTRAST, NoiseCanvas
from ..objective import Objective
from ..primitives import Primitives, as_composited
from ..random import Random
from ..recipe import DEFAULT
from .choice import Choice
from .initialize import first_primitives
from .population import Population
from .relocation import CandidateSearch
from .schedule import Moment, Schedule
from .stage import Evaluated, Stage

_PALETTE, _START, _SEARCH = range(3)
"""The streams of random numbers."""


class DefaultDescent:
    """The descent of the recipe `default`: a Population passes Stages by a Schedule. See fitting.descent.Descent."""

    _moment: Moment  # of the latest evaluation
    _evaluated: Evaluated

    def __init__(self, goal: Goal, templates: Templates, settings: Settings, start: Layout | None) -> None:
        self._templates, self._settings, self._goal = templates, settings, goal
        self._canvas = height, width = goal.target.shape[1], goal.target.shape[2]
        self._recipe = recipe = DEFAULT if start is None else DEFAULT.continued(added=settings.added > 0)
        count = settings.count if start is None else start.count + settings.added
        capacity = capacities(templates, count, settings.usage)
        check_spacing(settings.spacing * max(self._canvas), count, height, width)
        palette = palette_of(settings, goal.colors, goal.seen, Random(settings.seed, _PALETTE))
        limits = StampLimits(templates, height, width, recipe.least_scale)
        self._choice = choice = Choice(templates, limits, capacity, palette)
        primitives = first_primitives(goal, choice, settings, recipe, start, Random(settings.seed, _START))
        self._spacing = math.sqrt(height * width / count)
        self._rule = recipe.adam_rule(self._spacing, settings.iterations)
        self._population = Population(primitives, choice, settings, recipe, self._rule, self._canvas)
        self._random = Random(settings.seed, _SEARCH)
        self._noise = NoiseCanvas(settings.seed, OPEN_CONTRAST if goal.open else 1.0)
        self._whole = self._engine(height, width)
        self.waits = self._whole.waits
        self._judge = Judge(self._whole, goal, linear=self._linear, strip=lambda rows: self._engine(rows, width))
        self._schedule = Schedule(
            recipe,
            max(self._canvas),
            height,
            self._spacing,
            shrinks=goal.users_loss is None,  # it may depend on the size of the picture
            relocates=goal.users_loss is None and not settings.locked,
            palette=palette is not None,
            samples=goal.engines_loss is not None,
        )
        self._stage = self._stage_of(self._schedule.shrink_at(0.0))

    def evaluate(self, step: int, progress: float) -> SupportsFloat:
        self._moment = moment = self._schedule.at(step, progress)
        if moment.shrink != self._stage.shrink:
            self._population.bring_back()
            del self._stage  # its planes go before the next ones come
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
                with part("relocation"):
                    found = self._stage.search.find(evaluated.scores, places, moment.bias)
                    found = found[found.best(self._recipe.climbers * places)]
                    self._population.relocate(float(evaluated.loss), evaluated.scores.removal, found, places)
        self._population.arrange()
        self._evaluated = replace(evaluated, gradient=None, scores=None)  # their planes may go

    def accepts(self, loss: float) -> bool:
        self._stage.objective.check(loss)
        return math.isfinite(loss)

    @property
    def phase(self) -> float:
        return self._moment.phase

    @property
    def state(self) -> Callable[[], Primitives]:
        return self._population.state(self._evaluated.params)

    def finished(self, primitives: Primitives) -> Primitives:
        return self._population.settled(primitives)

    def judge(self, primitives: Primitives) -> tuple[FloatArray, float]:
        placement = primitives.placement(self._templates, self._recipe.bias)
        return self._judge(as_composited(primitives.params, self._linear), placement)

    def psnr(self, primitives: Primitives) -> float:
        placement = primitives.placement(self._templates, self._recipe.bias)
        return self._judge.psnr(as_composited(primitives.params, self._linear), placement)

    def layout(self, primitives: Primitives) -> Layout:
        level = primitives.placement(self._templates, self._recipe.bias).level
        return primitives.to_layout(level, self._templates, self._settings, *self._canvas)

    @property
    def _linear(self) -> bool:
        return self._settings.space == "linear"

    def _stage_of(self, shrink: int) -> Stage:
        """Makes the stage whose picture is smaller than the canvas by this factor."""
        goal, count, linear = self._goal.shrunk(shrink), len(self._population), self._linear
        engine = self._whole
        if shrink > 1:
            engine = ScaledRasterizer(self._engine(*goal.target.shape[1:]), shrink)
        objective = Objective(
            engine, goal, self._templates, count, canvas=self._canvas, noise=self._noise, linear=linear
        )
        search = CandidateSearch(
            engine,
            goal.target,
            objective.weight,
            self._choice,
            self._recipe,
            self._random,
            spacing=self._spacing,
            shrink=shrink,
            linear=linear,
        )
        iteration, loss = None, objective.engines_loss
        if loss is not None:
            iteration = engine.iteration(count, self._rule, loss=loss, palette=self._choice.palette)
        return Stage(shrink, objective, search, iteration)

    def _engine(self, height: int, width: int) -> Engine:
        settings = self._settings
        return make_engine(
            settings.engine, self._templates, height, width, space=settings.space, threads=settings.threads
        )
