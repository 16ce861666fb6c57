"""The primitives of a fit, and the constraints that they keep at every step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ...engines.interface import AdamRule, Iteration, Placement
from ...engines.transfer import moved
from ...job import Settings
from ..constraints.limits import Bounds, bounded, locked_columns, order_key
from ..constraints.spacing import settle, spread
from ..optimizer import Optimizer
from ..primitives import Primitives
from ..recipe import Recipe
from .relocation import Candidates, Choice, exchange


class Population:
    """The primitives of a fit: descends on them, and keeps them within limits, apart, and in order.

    Relocation never replaces locked or kept ones, and never exceeds the capacity of a template. All tensors are on the
    engine's device.
    """

    def __init__(
        self,
        primitives: Primitives,  # to start with, on the CPU
        choice: Choice,  # on the engine's device
        settings: Settings,
        recipe: Recipe,
        rule: AdamRule,
        canvas: tuple[int, int],  # height, width, px
        device: torch.device,  # the engine's
    ) -> None:
        self._choice, self._recipe, self._canvas, self._device = choice, recipe, canvas, device
        self._primitives = primitives.to(device)
        self._order, self._spacing = settings.order, settings.spacing * max(canvas)
        self._columns = locked_columns(settings.locked)
        self._lock(primitives.locked)
        self.replaceable = int((~primitives.kept).sum())
        """The number of primitives that may leave."""
        self._optimizer = Optimizer(
            self._primitives.params,
            self._bounds(),
            self._frozen,
            rule,
            linear=settings.space == "linear",
            palette=choice.palette,
        )
        self._arrange(settle)

    def __len__(self) -> int:
        return len(self._primitives.template)

    @property
    def encoded(self) -> Tensor:
        """The params [N, 9], colors display-encoded; later steps do not change them."""
        return self._optimizer.encoded

    def drawn(self, bias: float) -> tuple[Tensor, Placement]:
        """Returns params [N, 9] and placement for drawing, colors as composited, with `bias` texels per pixel."""
        params = self._optimizer.params
        return params, self.at(params).placement(self._choice.templates, bias)

    def at(self, params: Tensor) -> Primitives:
        """Returns the present primitives with these params [N, 9]."""
        return replace(self._primitives, params=params)

    def limit_colors(self) -> None:
        """Draws only colors of the palette from now on."""
        self._optimizer.limit_colors()

    def load(self, iteration: Iteration) -> None:
        """Loads an iteration with what has changed here since its last step, or with everything if it is new."""
        if self._optimizer.variables is not iteration.variables:
            iteration.load(self._optimizer.variables, self._primitives.template, self._primitives.mirror)
            self.adopt(iteration)

    def adopt(self, iteration: Iteration) -> None:
        """Takes over the primitives after a step of an iteration."""
        self._optimizer.adopt(iteration.variables)

    def step(self, gradient: Tensor, rate: float) -> None:
        """Makes a step by the gradient of the drawn params [N, 9], which is overwritten; rate scales the step."""
        self._optimizer.step(gradient, rate)

    def arrange(self) -> None:
        """Pushes the primitives apart in a few rounds, and sorts them, both by the settings."""
        self._arrange(spread)

    def settled(self, primitives: Primitives) -> Primitives:
        """Returns the primitives with the exact spacing."""
        if self._spacing <= 0:
            return primitives
        position = self._apart(primitives.params, settle)
        return replace(primitives, params=torch.cat([position, primitives.params[:, 2:]], 1))

    def relocate(self, loss: Tensor, removal: Tensor, found: Candidates, places: int) -> None:
        """Replaces the primitives whose removal [N] costs least by the best candidates, where that helps.

        loss: [] of the step of the costs and candidates. At most `places` primitives are replaced; new ones are in
        front.
        """
        own, recipe, free = self._primitives, self._recipe, self._optimizer.variables.free
        cost, leaving = removal.masked_fill(own.locked | own.kept, math.inf).sort(stable=True)
        removed, added = exchange(
            loss,
            cost[:places] * recipe.acceptance,
            leaving[:places],
            own.template,
            found,
            self._choice.capacities,
            separation=recipe.separation,
            spacing=self._spacing,
            positions=free[:, :2] if self._spacing > 0 else None,
        )
        if len(removed) == 0:
            return
        stays = torch.ones(len(self), dtype=torch.bool)
        stays[removed] = False
        if bool(self._locked.any()):
            self._lock(torch.cat([torch.zeros(len(added), dtype=torch.bool), self._locked[stays]]))
        arriving = found[moved(added, self._device)]
        order = moved(stays.nonzero()[:, 0], self._device)
        self._rearrange(order, arriving.params, arriving.template, arriving.mirror)

    def _arrange(self, method: Callable[..., tuple[Tensor, Tensor]]) -> None:
        if self._spacing > 0:
            self._optimizer.move(self._apart(self._optimizer.variables.free, method))
        free = self._optimizer.variables.free
        key = order_key(self._order, free)
        if key is None:
            return
        # Locked primitives keep their place in the order.
        order, own = torch.arange(len(self), device=self._device), self._sorted
        order[own] = own[key[own].argsort(stable=True)]
        none = order[:0]
        self._rearrange(order, free[:0], none, none.bool())

    def _lock(self, locked: Tensor) -> None:
        """Stores which primitives [N] are locked; on the CPU, so that nothing waits for the device."""
        self._locked = locked
        self._frozen = moved(locked[:, None] | self._columns, self._device)
        self._sorted = moved((~locked).nonzero()[:, 0], self._device)
        self._movable = ~(locked | self._columns[:2].any())

    def _rearrange(self, order: Tensor, params: Tensor, template: Tensor, mirror: Tensor) -> None:
        """Puts new primitives [K] in front of those at `order` (index [N - K])."""
        self._primitives = self._primitives.rearranged(order, template, mirror)
        self._optimizer.rearrange(order, params, self._bounds(), self._frozen)

    def _apart(self, params: Tensor, method: Callable[..., tuple[Tensor, Tensor]]) -> Tensor:
        """Returns the positions [N, 2] of params [N, 9] by spacing.spread or spacing.settle, which work on the CPU."""
        x, y = params[:, :2].cpu().unbind(1)
        x, y = method(x, y, self._spacing, self._movable, *self._canvas)
        return moved(torch.stack([x, y], 1), self._device)

    def _bounds(self) -> Bounds:
        """Returns the bounds by the stamps' limits and the recipe's."""
        own = self._choice.limits.bounds(self._primitives.template)
        return bounded(own, self._recipe, *self._canvas)
