"""The recipe `paper`: the published default of DiffBMP (arXiv 2602.22625), on exact gradients.

It is a yardstick, and a choice for its look: a soft texture of large, half-transparent stamps. Its parts replace those
of the recipe `default`: the start (start.py), the stamps for training (stamps.py), the objective (objective.py), and
here its constants and its optimizer.

It differs from the published program in ways that do not show in a picture of the usual size: stamps are not cut off by
the box of their unrotated selves; lengths grow with the canvas; restarted primitives forget their moments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...engines.light import decode
from ...native.arrays import FloatArray
from .start import PaperStart, largest_scale, least_scale, unit_length


@dataclass(frozen=True)
class PaperRecipe:
    """Constants as published, for targets without alpha. Lengths are in units of start.unit_length."""

    position_rate: float = 1.0
    scale_rate: float = 1.0
    rotation_rate: float = 0.1  # radians
    opacity_rate: float = 0.15  # of the logit, at 1000 primitives; inversely proportional to their number ...
    fewest: int = 100  # ... down to this: longer steps throw a logit to where it has no gradient
    color_rate: float = 0.1  # of the logits
    momentum: float = 0.9
    second_momentum: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.99  # of all rates, per step, however many there are

    clear: bool = False  # trained on noise and by alpha, so that the outside of the target stays clear
    alpha_weight: float = 0.3  # of the mean square error of alpha

    # --- faint primitives restart; their number stays the same ---
    prune_from: int = 200  # steps
    prune_every: int = 50  # steps; not in the last ones, which settle
    prune_below: float = 0.3  # opacity


PAPER = PaperRecipe()
PAPER_CLEAR = replace(PAPER, clear=True, opacity_rate=0.5)


def paper_recipe(weight: FloatArray | None) -> PaperRecipe:
    """Returns the recipe for a target with this weight [H, W]."""
    return PAPER if weight is None or (weight > 0).all() else PAPER_CLEAR


class PaperOptimizer:
    """Adam on all primitives at once, opacities and colors as logits, lengths as they are.

    params [N, 9] is what the engine draws, with colors as composited; encoded [N, 9] has display-encoded colors.
    """

    def __init__(
        self,
        params: Tensor,  # [N, 9], colors display-encoded
        recipe: PaperRecipe,
        height: int,
        width: int,
        *,
        locked: Tensor | None = None,  # [N] bool: primitives that do not change
        linear: bool = False,
    ) -> None:
        self._recipe, self._linear = recipe, linear
        self._locked = locked.nonzero()[:, 0] if locked is not None and locked.any() else None
        self._initial = params.clone()
        self._variables = _variables(params)
        self._first, self._second = torch.zeros_like(params), torch.zeros_like(params)
        self._age = torch.zeros(len(params), 1, device=params.device)  # steps of each, since some restart
        self._decay = 1.0
        low_high_rates = (*_limits(height, width), _rates(recipe, len(params), unit_length(height, width)))
        self._low, self._high, self._rates = (tensor.to(params.device) for tensor in low_high_rates)
        # Gradients come times N, see fitting.objective.
        self._epsilon = recipe.epsilon * len(params)
        self._activate()

    def step(self, gradient: Tensor, rate: float = 1.0) -> None:
        """Makes a step by the gradient of params [N, 9], which is overwritten; rate scales it, besides the decay."""
        recipe = self._recipe
        gradient = self._pulled_back(gradient)
        self._age += 1
        self._first.lerp_(gradient, 1.0 - recipe.momentum)
        self._second.lerp_(gradient.square_(), 1.0 - recipe.second_momentum)
        mean = self._first / (1.0 - recipe.momentum**self._age)
        size = (self._second / (1.0 - recipe.second_momentum**self._age)).sqrt_().add_(self._epsilon)
        self._variables.addcmul_(self._rates, mean / size, value=-rate * self._decay)
        self._decay *= recipe.decay
        self._activate()

    def replace(self, chosen: Tensor, params: Tensor) -> None:
        """Restarts the chosen primitives (index [n]) with params [n, 9], colors display-encoded.

        They keep their place in the order and forget their moments, which belong to another place.
        """
        self._variables[chosen] = _variables(params)
        for state in (self._first, self._second, self._age):
            state.index_fill_(0, chosen, 0.0)
        self._activate()

    def _activate(self) -> None:
        """Limits the variables and makes params of them, in new tensors: older ones do not change."""
        torch.maximum(self._variables, self._low, out=self._variables)
        torch.minimum(self._variables, self._high, out=self._variables)
        encoded = self._variables.clone()
        encoded[:, 5:].sigmoid_()
        if self._locked is not None:
            encoded[self._locked] = self._initial[self._locked]
        self.encoded = self.params = encoded
        if self._linear:
            self.params = torch.cat([encoded[:, :6], decode(encoded[:, 6:])], 1)

    def _pulled_back(self, gradient: Tensor) -> Tensor:
        """Turns the gradient of params into that of the variables, by the chain rule."""
        if self._linear:
            color = self.encoded[:, 6:].detach().requires_grad_()
            with torch.enable_grad():
                (gradient[:, 6:],) = torch.autograd.grad(decode(color), color, gradient[:, 6:])
        gradient[:, 5:] *= self.encoded[:, 5:] * (1.0 - self.encoded[:, 5:])
        return gradient


def prune(optimizer: PaperOptimizer, start: PaperStart, recipe: PaperRecipe, step: int, total: int) -> None:
    """Restarts faint primitives if it is time for it after `step` of `total` steps."""
    since = step - recipe.prune_from
    if not recipe.clear or since < 0 or since % recipe.prune_every or step + recipe.prune_every > total:
        return
    faint = (optimizer.encoded[:, 5] < recipe.prune_below).nonzero()[:, 0]
    halvings = 1 + since // recipe.prune_every
    optimizer.replace(faint, start.again(len(faint), halvings).to(faint.device))


def _variables(params: Tensor) -> Tensor:
    """Returns the variables [N, 9] that are optimized in place of params [N, 9]."""
    result = params.clone()
    result[:, 5:].logit_(eps=1e-6)
    return result


def _rates(recipe: PaperRecipe, count: int, unit: float) -> Tensor:
    """Returns the length of a step of each variable: [9]. The aspect is not optimized."""
    position, scale = recipe.position_rate * unit, recipe.scale_rate * unit
    opacity = recipe.opacity_rate * 1000.0 / max(count, recipe.fewest)
    return torch.tensor([position, position, scale, 0.0, recipe.rotation_rate, opacity, *[recipe.color_rate] * 3])


def _limits(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Returns the least and the greatest value of each variable: [9], [9]. Centers stay half a pixel inside."""
    low, high = torch.full((9,), -math.inf), torch.full((9,), math.inf)
    low[:3] = torch.tensor([0.5, 0.5, least_scale(height, width)])
    high[:3] = torch.tensor([width - 0.5, height - 0.5, largest_scale(height, width)])
    return low, high
