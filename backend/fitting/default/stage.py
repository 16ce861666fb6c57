"""A stage of a fit, which works on a picture of one size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import SupportsFloat

from ...engines.cpu_iteration import HeldArray
from ...engines.interface import Held, Iteration, Scores
from ...native.arrays import FloatArray
from ..objective import Objective
from .population import Population
from .relocation import CandidateSearch
from .schedule import Moment


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation of a population, with the gradient and scores for its next step."""

    loss: SupportsFloat
    params: Held  # [N, 9] colors display-encoded
    gradient: FloatArray | None  # [N, 9] of the drawn params; None if the engine has already made the step
    scores: Scores | None  # if primitives may relocate


@dataclass(frozen=True, eq=False)
class Stage:
    """A part of a fit that works on a picture of one size, with its objective and its search for candidates."""

    shrink: int  # canvas pixels per pixel of the picture
    objective: Objective
    search: CandidateSearch
    iteration: Iteration | None  # if the engine makes whole steps

    def evaluate(self, population: Population, moment: Moment) -> Evaluated:
        """Evaluates a population. If the engine makes whole steps, it also makes the step."""
        bias, scored, iteration = moment.bias / self.shrink, moment.relocated > 0, self.iteration
        if iteration is None:
            params = HeldArray(population.encoded)
            loss, gradient, scores = self.objective(*population.drawn(bias), scored=scored)
            return Evaluated(loss, params, gradient, scores)
        stepped = self.objective.run(
            lambda: population.loaded(iteration),
            lambda: population.drawn(bias),
            rate=moment.rate,
            bias=bias,
            limited=moment.limited,
            scored=scored,
            rows=moment.rows,
        )
        return Evaluated(stepped.loss, stepped.params, None, stepped.scores)
