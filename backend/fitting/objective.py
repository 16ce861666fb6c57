"""The objective of a fit: the loss of the primitives over a canvas of new noise in every step.

A fit on a fixed canvas lets it shine through wherever it suits, and the result falls apart on any other. Noise suits
nowhere, so the primitives learn to cover.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..engines.interface import Iteration, Placement, Rasterizer, Scores
from ..job import UserError
from ..losses import Combination
from ..losses.regularizers import Stamps
from ..pictures.color import decode, encode
from ..templates import Templates
from .goal import Goal
from .noise import OPEN_CONTRAST, NoiseCanvas


class _Open:
    """A transparent goal: the canvas shows through it, so that the result becomes equally transparent.

    All images are as composited.
    """

    def __init__(self, goal: Goal, linear: bool) -> None:
        assert goal.weight is not None
        self.share = 1.0 - goal.weight.clamp_max(1.0)  # [H, W] of the canvas that shows through
        self._background = goal.backdrop(linear)
        target = decode(goal.target) if linear else goal.target
        self._own = (target - self.share * self._background).clamp_min(0.0)

    def target_over(self, canvas: Tensor) -> Tensor:
        """Returns the target [3, H, W] over a canvas [3, H, W]."""
        return torch.addcmul(self._own, self.share, canvas)

    def over_background(self, image: Tensor, canvas: Tensor) -> Tensor:
        """Replaces the canvas that shows through an image [3, H, W] by the background."""
        # Not clamped at 0: covering too much must also be an error on a dark background.
        return image + self.share * (self._background - canvas)


class Objective:
    """Loss and gradient of params [N, 9] (colors as composited).

    The gradient is that of the loss times N: of the order of 1 for a primitive, whatever the picture's size and N.
    Losses stay on the device, since to read one is to wait for it; whoever reads one passes it to check().
    """

    def __init__(
        self,
        rasterizer: Rasterizer,
        goal: Goal,
        templates: Templates,
        count: int,
        generator: torch.Generator,
        *,
        canvas: tuple[int, int],  # height, width, px, of the params
        linear: bool = False,
        noise: NoiseCanvas | None = None,  # replaces a new one by the generator
    ) -> None:
        self._rasterizer, self._goal, self._templates = rasterizer, goal, templates
        self._count, self._canvas, self._linear = count, canvas, linear
        height, width = goal.target.shape[1:]
        partial = goal.weight is not None and not bool((goal.weight >= 1).all())
        self._open = _Open(goal, linear) if goal.transparent and partial else None
        if noise is None:
            contrast = 1.0 if self._open is None else OPEN_CONTRAST
            noise = NoiseCanvas(height, width, generator, linear, goal.target.device, contrast)
        self._noise = noise
        self._clear = None
        if goal.weight is not None and self._open is None and not bool((goal.weight > 0).all()):
            self._clear = goal.weight <= 0
        weight = goal.weights
        trained = weight if goal.importance is None else weight * goal.importance
        scale = count / (3.0 * float(trained.double().sum()))
        # Clear pixels weigh as much as white ones while stamps are kept out of them, but not in judging.
        if self._open is not None:
            share = self._open.share if goal.hidden is None else self._open.share * (1.0 - goal.hidden)
            trained = trained + goal.containment * float(trained.max()) * share
        self._combination = Combination(
            goal.losses,
            goal.target,
            weight=trained,
            alpha=None if self._open is None else goal.weight,
            hidden=None if goal.weight is None or goal.hidden is None else (weight <= 0) & (goal.weight > 0),
        )
        trained = trained * scale
        if self._clear is not None:
            trained = trained.masked_fill(self._clear, goal.containment * float(trained.max()))
        self.weight = trained

    def __call__(
        self, params: Tensor, placement: Placement, *, scored: bool = False
    ) -> tuple[Tensor, Tensor, Scores | None]:
        """Returns the loss ([] float64) over a new canvas, the gradient [N, 9], and if `scored` the scores of "mse"."""
        canvas = self._noise.draw()
        scores = None
        if self._fused is None:
            value, gradient = self._composed(params, placement, canvas)
            if scored:
                _, _, scores = self._scored_step(params, placement, canvas, "mse")
        elif scored and self._fused == "mse":
            value, gradient, scores = self._scored_step(params, placement, canvas, "mse")
            value = value / self._count
        else:
            target = self._target_over(canvas)
            value, gradient = self._rasterizer.step(params, placement, canvas, target, self.weight, self._fused)
            value = value / self._count
            if scored:
                _, _, scores = self._scored_step(params, placement, canvas, "mse")
        if self._is_regularized:
            value = value + self._add_regularization(params, placement, gradient)
        return value, gradient, scores

    def run(
        self,
        iteration: Iteration,
        drawn: Callable[[], tuple[Tensor, Placement]],  # the params [N, 9], colors as composited, and their placement
        *,
        rate: float,
        bias: float,
        limited: bool,
        scored: bool,
    ) -> tuple[Tensor, Tensor, Scores | None]:
        """Makes a whole step of an iteration for engines_loss: see Iteration.run. The scores are of "mse", as above."""
        canvas = self._noise.draw()
        target, scores = self._target_over(canvas), None
        whole = scored and self._fused == "mse"
        if scored and not whole:
            scores = self._scored_step(*drawn(), canvas, "mse")[2]
        value, params, own = iteration.run(
            canvas, target, self.weight, rate=rate, bias=bias, limited=limited, scored=whole
        )
        return value / self._count, params, own if whole else scores

    @property
    def engines_loss(self) -> str | None:
        """The engine's own loss, if there is no other term."""
        return None if self._is_regularized else self._fused

    def check(self, loss: float) -> None:
        """Raises UserError where a loss differentiated by autograd, or its gradient, is not finite."""
        if self._fused is not None or math.isfinite(loss):
            return
        if math.isnan(loss):
            raise UserError("The loss function must give one finite number that depends on the image")
        raise UserError("The loss function's gradient is not finite: avoid, for example, the square root of 0")

    @property
    def _is_regularized(self) -> bool:
        return self._goal.users_loss is None and self._combination.has_regularizers

    @property
    def _fused(self) -> str | None:
        """The engine's own loss, if it is the only one of the image."""
        return None if self._goal.users_loss is not None else self._combination.fused

    def _scored_step(
        self, params: Tensor, placement: Placement, canvas: Tensor, kind: str
    ) -> tuple[Tensor, Tensor, Scores]:
        target = self._target_over(canvas)
        return self._rasterizer.scored_step(params, placement, canvas, target, self.weight, kind)

    def _composed(self, params: Tensor, placement: Placement, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the value of losses differentiated by autograd, as check() takes it, and the gradient [N, 9]."""
        image, alpha = (plane.requires_grad_() for plane in self._rasterizer.forward(params, placement, canvas))
        # On one thread, as the whole fit: on more, torch's sums differ in their last bits.
        with torch.enable_grad():
            settled = image if self._open is None else self._open.over_background(image, canvas)
            shown = encode(settled) if self._linear else settled
            users = self._goal.users_loss
            value = self._combination.image_loss(shown, alpha) if users is None else users(shown)
            if value.numel() != 1 or not value.requires_grad:
                raise UserError("The loss function must give one finite number that depends on the image")
            cotangents = torch.autograd.grad(value, (image, alpha), allow_unused=True, materialize_grads=True)
        value = value.detach().reshape(()).double()
        sound = torch.isfinite(cotangents[0]).all() & torch.isfinite(cotangents[1]).all()
        value = torch.where(torch.isfinite(value), torch.where(sound, value, math.inf), math.nan)
        of_image, of_alpha = (cotangent * self._count for cotangent in cotangents)
        return value, self._rasterizer.backward(params, placement, canvas, of_image, of_alpha)

    def _add_regularization(self, params: Tensor, placement: Placement, gradient: Tensor) -> Tensor:
        """Adds the regularizers' gradient to that of params, and returns their value."""
        leaf = params.detach().requires_grad_()
        with torch.enable_grad():
            stamps = Stamps.of(leaf, placement.template, self._templates, *self._canvas)
            value = self._combination.regularization(stamps)
            (own,) = torch.autograd.grad(value, leaf)
        # The engine's loss has the weight 1 and not the combination's.
        scale = 1.0 if self._fused is None else 1.0 / self._combination.fused_weight
        gradient.add_(own, alpha=scale * self._count)
        return scale * value.detach().double()

    def _target_over(self, canvas: Tensor) -> Tensor:
        """Returns the target with the canvas (display-encoded) where that stays clear or shows through: [3, H, W]."""
        if self._open is not None:
            image = self._open.target_over(canvas)
            return encode(image) if self._linear else image
        if self._clear is None:
            return self._goal.target
        return torch.where(self._clear, encode(canvas) if self._linear else canvas, self._goal.target)
