"""The primitives of a fit, and the constraints that they keep at every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...engines.interface import AdamRule, Held, Iteration, Placement
from ...job import Settings
from ...native.arrays import BoolArray, FloatArray, IntArray
from ..constraints.limits import Bounds, bounded, locked_columns, order_key
from ..constraints.spacing import settle, spread
from ..optimizer import Optimizer
from ..primitives import Primitives
from ..recipe import Recipe
from .choice import Choice
from .relocation import Candidates, exchange


class Population:
    """The primitives of a fit: descends on them, and keeps them within limits, apart, and in order.

    Relocation never replaces locked or kept ones, and never exceeds the capacity of a template. While an iteration
    makes the steps, the variables are there; whatever needs them here takes them back first.
    """

    def __init__(
        self,
        primitives: Primitives,  # to start with
        choice: Choice,
        settings: Settings,
        recipe: Recipe,
        rule: AdamRule,
        canvas: tuple[int, int],  # height, width, px
    ) -> None:
        self._choice, self._recipe, self._canvas = choice, recipe, canvas
        self._primitives = primitives
        self._order, self._spacing = settings.order, settings.spacing * max(canvas)
        self._columns = locked_columns(settings.locked)
        self._lock(primitives.locked)
        self.replaceable = int((~primitives.kept).sum())
        """The number of primitives that may leave."""
        self._optimizer = Optimizer(
            primitives.params,
            self._bounds(),
            self._frozen,
            rule,
            linear=settings.space == "linear",
            palette=choice.palette,
        )
        self._away: Iteration | None = None  # that has the variables
        self._arrange(settle)

    def __len__(self) -> int:
        return len(self._primitives.template)

    @property
    def encoded(self) -> FloatArray:
        """The params [N, 9], colors display-encoded; later steps do not change them."""
        return self._home().encoded

    def drawn(self, bias: float) -> tuple[FloatArray, Placement]:
        """Returns params [N, 9] and placement for drawing, colors as composited, with `bias` texels per pixel."""
        params = self._home().params
        return params, self.at(params).placement(self._choice.templates, bias)

    def at(self, params: FloatArray) -> Primitives:
        """Returns the present primitives with these params [N, 9]."""
        return replace(self._primitives, params=params)

    def state(self, params: Held) -> Callable[[], Primitives]:
        """Gives the present primitives with these params [N, 9], whatever changes here until then."""
        primitives = self._primitives
        return lambda: replace(primitives, params=params.read())

    def limit_colors(self) -> None:
        """Draws only colors of the palette from now on."""
        self._optimizer.limit_colors()

    def loaded(self, iteration: Iteration) -> Iteration:
        """Returns the iteration with the primitives as they are now."""
        if self._away is not iteration:
            iteration.load(self._home().variables, self._primitives.template, self._primitives.mirror)
            self._away = iteration
        return iteration

    def bring_back(self) -> None:
        """Takes the variables back from an iteration, which is no longer needed then."""
        self._home()

    def step(self, gradient: FloatArray, rate: float) -> None:
        """Makes a step by the gradient of the drawn params [N, 9]; rate scales the step."""
        self._home().step(gradient, rate)

    def arrange(self) -> None:
        """Pushes the primitives apart in a few rounds, and sorts them, both by the settings."""
        self._arrange(spread)

    def settled(self, primitives: Primitives) -> Primitives:
        """Returns the primitives with the exact spacing."""
        if self._spacing <= 0:
            return primitives
        position = self._apart(primitives.params, settle)
        return replace(primitives, params=np.concatenate([position, primitives.params[:, 2:]], 1))

    def relocate(self, loss: float, removal: FloatArray, found: Candidates, places: int) -> None:
        """Replaces the primitives whose removal [N] costs least by the best candidates, where that helps.

        loss: of the step of the costs and candidates. At most `places` primitives are replaced; new ones are in front.
        """
        own, recipe, free = self._primitives, self._recipe, self._home().variables.free
        barred = np.where(own.locked | own.kept, np.float32(np.inf), removal)
        leaving = np.argsort(barred, kind="stable")[:places]
        removed, added = exchange(
            loss,
            barred[leaving] * np.float32(recipe.acceptance),
            leaving,
            own.template,
            found,
            self._choice.capacities,
            separation=recipe.separation,
            spacing=self._spacing,
            positions=free[:, :2] if self._spacing > 0 else None,
        )
        if len(removed) == 0:
            return
        stays = np.ones(len(self), np.bool_)
        stays[removed] = False
        if self._locked.any():
            self._lock(np.concatenate([np.zeros(len(added), np.bool_), self._locked[stays]]))
        arriving = found[added]
        self._rearrange(np.flatnonzero(stays), arriving.params, arriving.template, arriving.mirror)

    def _home(self) -> Optimizer:
        """Returns the optimizer with the variables, also those that an iteration has had."""
        if self._away is not None:
            self._optimizer.adopt(self._away.unload())
            self._away = None
        return self._optimizer

    def _arrange(self, method: Callable[..., tuple[FloatArray, FloatArray]]) -> None:
        if self._spacing <= 0 and self._order == "free":
            return
        optimizer = self._home()
        if self._spacing > 0:
            optimizer.move(self._apart(optimizer.variables.free, method))
        free = optimizer.variables.free
        key = order_key(self._order, free)
        if key is None:
            return
        # Locked primitives keep their place in the order.
        order, own = np.arange(len(self)), self._sorted
        order[own] = own[np.argsort(key[own], kind="stable")]
        none = order[:0]
        self._rearrange(order, free[:0], none, none.astype(np.bool_))

    def _lock(self, locked: BoolArray) -> None:
        """Stores which primitives [N] are locked."""
        self._locked = locked
        self._frozen = locked[:, None] | self._columns
        self._sorted = np.flatnonzero(~locked)
        self._movable = ~(locked | self._columns[:2].any())

    def _rearrange(self, order: IntArray, params: FloatArray, template: IntArray, mirror: BoolArray) -> None:
        """Puts new primitives [K] in front of those at `order` (index [N - K])."""
        self._primitives = self._primitives.rearranged(order, template, mirror)
        self._home().rearrange(order, params, self._bounds(), self._frozen)

    def _apart(self, params: FloatArray, method: Callable[..., tuple[FloatArray, FloatArray]]) -> FloatArray:
        """Returns the positions [N, 2] of params [N, 9] by spacing.spread or spacing.settle."""
        x, y = method(params[:, 0], params[:, 1], self._spacing, self._movable, *self._canvas)
        return np.stack([x, y], 1)

    def _bounds(self) -> Bounds:
        """Returns the bounds by the stamps' limits and the recipe's."""
        own = self._choice.limits.bounds(self._primitives.template)
        return bounded(own, self._recipe, *self._canvas)
