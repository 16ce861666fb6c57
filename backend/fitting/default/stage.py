"""A part of a fit that works on a picture of one size."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...engines.interface import Iteration, Scores
from ..objective import Objective
from .population import Population
from .relocation import CandidateSearch
from .schedule import Moment


@dataclass(frozen=True)
class Evaluated:
    """A population as it was evaluated, and the gradient and scores for its next step."""

    loss: Tensor  # [] float64
    params: Tensor  # [N, 9] colors display-encoded
    gradient: Tensor | None  # [N, 9] of the drawn params; None where the engine has made the step already
    scores: Scores | None  # where primitives may go elsewhere


@dataclass(frozen=True)
class Stage:
    """A part of a fit that works on a picture of one size: what it descends there, and where it finds candidates."""

    shrink: int  # canvas pixels to a pixel of the picture
    objective: Objective
    search: CandidateSearch
    iteration: Iteration | None  # where the engine makes whole steps

    def evaluate(self, population: Population, moment: Moment) -> Evaluated:
        """Loss and gradient of a population; where the engine makes whole steps, that step is made as well."""
        bias, scored, iteration = moment.bias / self.shrink, moment.relocated > 0, self.iteration
        if iteration is None:
            params = population.encoded
            loss, gradient, scores = self.objective(*population.drawn(bias), scored=scored)
            return Evaluated(loss, params, gradient, scores)
        population.load(iteration)
        loss, params, scores = self.objective.run(
            iteration,
            lambda: population.drawn(bias),
            rate=moment.rate,
            bias=bias,
            limited=moment.limited,
            scored=scored,
        )
        population.adopt(iteration)
        return Evaluated(loss, params, None, scores)
