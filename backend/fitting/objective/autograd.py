"""The losses that PyTorch differentiates: a user's own, those of images but the engines', and regularizers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...engines.interface import Engine, Placement
from ...engines.light import encode
from ...engines.tensors import torch_threads
from ...job import UserError
from ...losses.combination import Combination
from ...losses.regularizers import Stamps
from ...native.arrays import FloatArray
from ...templates import Templates
from ..goal import Goal
from . import Open


class Composed:
    """Losses of a goal by autograd, on the CPU and one thread: on more, PyTorch's sums differ in their last bits."""

    def __init__(
        self,
        engine: Engine,
        goal: Goal,
        trained: FloatArray,  # [H, W] weight of the errors
        templates: Templates,
        count: int,
        open_: Open | None,
        *,
        canvas: tuple[int, int],  # height, width, px, of the params
        linear: bool,
    ) -> None:
        """Raises UserError for losses that cannot run here."""
        self._engine, self._users, self._templates, self._count = engine, goal.users_loss, templates, count
        self._open, self._canvas, self._linear = open_, canvas, linear
        beneath = None
        if goal.weight is not None and goal.hidden is not None:
            beneath = (goal.weights <= 0) & (goal.weight > 0)
        with torch_threads(1):
            self._combination = Combination(
                goal.losses,
                _tensor(goal.target),
                weight=_tensor(trained),
                alpha=None if open_ is None or goal.weight is None else _tensor(goal.weight),
                hidden=None if beneath is None else _tensor(beneath),
            )

    def __call__(self, params: FloatArray, placement: Placement, canvas: FloatArray) -> tuple[float, FloatArray]:
        """Returns the losses of the image over a canvas [3, H, W], as Objective.check() takes it, and the gradient.

        The gradient [N, 9] is times N. Raises UserError for a user's loss that gives no number or does not depend on
        the image.
        """
        image, alpha = self._engine.forward(params, placement, canvas)
        value, of_image, of_alpha = self._differentiated(image, alpha, canvas)
        return value, self._engine.backward(params, placement, canvas, of_image, of_alpha)

    def _differentiated(
        self, image: FloatArray, alpha: FloatArray, canvas: FloatArray
    ) -> tuple[float, FloatArray, FloatArray]:
        leaves = (_tensor(image).requires_grad_(), _tensor(alpha).requires_grad_())
        with torch_threads(1), torch.enable_grad():
            settled = leaves[0] if self._open is None else leaves[0] + _tensor(self._open.shift(canvas))
            shown = encode(settled) if self._linear else settled
            value = self._combination.image_loss(shown, leaves[1]) if self._users is None else self._users(shown)
            if value.numel() != 1 or not value.requires_grad:
                raise UserError("The loss function must give one finite number that depends on the image")
            found = torch.autograd.grad(value, leaves, allow_unused=True, materialize_grads=True)
        of_image, of_alpha = (cotangent.numpy() * np.float32(self._count) for cotangent in found)
        loss = float(value.detach())
        if not math.isfinite(loss):
            return math.nan, of_image, of_alpha
        sound = np.isfinite(of_image).all() and np.isfinite(of_alpha).all()
        return loss if sound else math.inf, of_image, of_alpha

    def add_regularization(
        self, params: FloatArray, placement: Placement, gradient: FloatArray, factor: float
    ) -> float:
        """Adds the regularizers' gradient, times N, to that of params [N, 9], and returns their value.

        factor: on both.
        """
        leaf = _tensor(params).clone().requires_grad_()
        with torch_threads(1), torch.enable_grad():
            stamps = Stamps.of(leaf, _tensor(placement.template), self._templates, *self._canvas)
            value = self._combination.regularization(stamps)
            (own,) = torch.autograd.grad(value, leaf)
        gradient += own.numpy() * np.float32(factor * self._count)
        return factor * float(value.detach())


def _tensor(array: NDArray[Any]) -> Tensor:
    """The tensor of an array, in the same memory where that may be written."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))
