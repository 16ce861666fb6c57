"""The objective of a fit: the loss of the primitives over a canvas of new noise in every step.

A fit on a fixed canvas lets it shine through wherever it suits, and the result falls apart on any other. Noise suits
nowhere, so the primitives learn to cover.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np

from ...engines.interface import Engine, Iteration, Noise, Placement, Scores, Stepped
from ...engines.native import noise_plane
from ...job import UserError
from ...losses import fused_loss, regularized
from ...native.arrays import FloatArray
from ...pictures.color import decode, encode
from ...templates import Templates
from ..goal import Goal
from ..noise import NoiseCanvas

if TYPE_CHECKING:
    from .autograd import Composed


class Open:
    """A transparent goal: the canvas shows through it, so that the result becomes equally transparent.

    All images are as composited.
    """

    def __init__(self, goal: Goal, linear: bool) -> None:
        assert goal.weight is not None
        self.share = np.float32(1.0) - np.minimum(goal.weight, np.float32(1.0))
        """[H, W] of the canvas that shows through."""
        self.background = goal.backdrop(linear)
        target = decode(goal.target) if linear else goal.target
        self._own = np.maximum(target - self.share * self.background, np.float32(0.0))

    def target_over(self, canvas: FloatArray) -> FloatArray:
        """Returns the target [3, H, W] over a canvas [3, H, W]."""
        return self._own + self.share * canvas

    def shift(self, canvas: FloatArray) -> FloatArray:
        """Returns what to add to an image [3, H, W] so that the background shows through it in place of the canvas."""
        # The sum is not clamped at 0: covering too much must also be an error on a dark background.
        return self.share * (self.background - canvas)


@dataclass(frozen=True, eq=False)
class _Share:
    """A part of a number that is perhaps not yet known."""

    whole: SupportsFloat
    parts: int

    def __float__(self) -> float:
        return float(self.whole) / self.parts


class Objective:
    """Loss and gradient of params [N, 9] (colors as composited).

    The gradient is that of the loss times N: of the order of 1 for a primitive, whatever the picture's size and N.
    Losses of whole steps wait where they are made until someone reads one, who passes it to check().
    """

    def __init__(
        self,
        engine: Engine,
        goal: Goal,
        templates: Templates,
        count: int,
        *,
        canvas: tuple[int, int],  # height, width, px, of the params
        noise: NoiseCanvas,  # with OPEN_CONTRAST for a goal that is open
        linear: bool = False,
    ) -> None:
        """Raises UserError for losses that do not exist or cannot run here, and where nothing of the goal counts."""
        self._engine, self._target, self._noise, self._count = engine, goal.target, noise, count
        self._linear = linear
        self.engines_loss = goal.engines_loss
        """The engine's own loss, if there is no other term."""
        own, self._fused_weight = fused_loss(goal.losses)
        self._fused = None if goal.users_loss is not None else own
        self._is_regularized = goal.users_loss is None and regularized(goal.losses)
        self._open = Open(goal, linear) if goal.open else None
        self._clear = None
        if goal.weight is not None and self._open is None and not (goal.weight > 0).all():
            self._clear = goal.weight <= 0
        weight = goal.weights
        trained = weight if goal.importance is None else weight * goal.importance
        scale = count / (3.0 * float(trained.sum(dtype=np.float64)))
        # Clear pixels weigh as much as white ones while stamps are kept out of them, but not in judging.
        if self._open is not None:
            share = self._open.share if goal.hidden is None else self._open.share * (np.float32(1.0) - goal.hidden)
            trained = trained + goal.containment * float(trained.max()) * share
        self._composed: Composed | None = None
        if self._fused is None or self._is_regularized:
            from .autograd import Composed

            self._composed = Composed(engine, goal, trained, templates, count, self._open, canvas=canvas, linear=linear)
        trained = trained * np.float32(scale)
        if self._clear is not None:
            trained[self._clear] = goal.containment * float(trained.max())
        self.weight = trained
        """[H, W] of the errors, contiguous."""

    def __call__(
        self, params: FloatArray, placement: Placement, *, scored: bool = False, removals: bool = True
    ) -> tuple[float, FloatArray, Scores | None]:
        """Returns the loss over a new canvas, the gradient [N, 9], and if `scored` the scores of "mse".

        removals: see Engine.scored_step.
        """
        noise = self._noise.draw()
        target, scores = self._target_over(noise), None
        if self._fused is None:
            assert self._composed is not None
            value, gradient = self._composed(params, placement, self._plane(noise))
        elif scored and self._fused == "mse":
            value, gradient, scores = self._engine.scored_step(
                params, placement, noise, target, self.weight, removals=removals
            )
            value = value / self._count
        else:
            value, gradient = self._engine.step(params, placement, noise, target, self.weight, self._fused)
            value = value / self._count
        if scored and scores is None:
            _, _, scores = self._engine.scored_step(params, placement, noise, target, self.weight, removals=removals)
        if self._is_regularized:
            assert self._composed is not None
            # The engine's loss has the weight 1 and not the combination's.
            factor = 1.0 if self._fused is None else 1.0 / self._fused_weight
            value = value + self._composed.add_regularization(params, placement, gradient, factor)
        return value, gradient, scores

    def run(
        self,
        loaded: Callable[[], Iteration],  # with the primitives
        drawn: Callable[[], tuple[FloatArray, Placement]],  # their params [N, 9], colors as composited, and placement
        *,
        rate: float,
        bias: float,
        limited: bool,
        scored: bool,
        rows: int,
    ) -> Stepped:
        """Makes a whole step of an iteration for engines_loss: see Iteration.run. The scores are of "mse", as above."""
        noise = self._noise.draw()
        target, scores = self._target_over(noise), None
        whole = scored and self._fused == "mse"
        if scored and not whole:
            _, _, scores = self._engine.scored_step(*drawn(), noise, target, self.weight)
        stepped = loaded().run(
            noise, target, self.weight, rate=rate, bias=bias, limited=limited, scored=whole, rows=rows
        )
        return Stepped(_Share(stepped.loss, self._count), stepped.params, stepped.scores if whole else scores)

    def check(self, loss: float) -> None:
        """Raises UserError where a loss differentiated by autograd, or its gradient, is not finite."""
        if self._fused is not None or math.isfinite(loss):
            return
        if math.isnan(loss):
            raise UserError("The loss function must give one finite number that depends on the image")
        raise UserError("The loss function's gradient is not finite: avoid, for example, the square root of 0")

    def _target_over(self, noise: Noise) -> FloatArray:
        """Returns the target with the canvas (display-encoded) where that stays clear or shows through: [3, H, W]."""
        if self._open is not None:
            image = self._open.target_over(self._plane(noise))
            return encode(image) if self._linear else image
        if self._clear is None:
            return self._target
        canvas = self._plane(noise)
        return np.where(self._clear, encode(canvas) if self._linear else canvas, self._target)

    def _plane(self, noise: Noise) -> FloatArray:
        """Returns a canvas [3, H, W] as composited."""
        return noise_plane(noise, *self.weight.shape, space="linear" if self._linear else "display")
