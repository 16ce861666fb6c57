"""The record of the best state of a fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import SupportsFloat

from .descent import Descent
from .primitives import Primitives

READ_EVERY = 8
"""Steps between readings of a GPU's losses, each of which waits for it. Relocation waits twice as often."""


@dataclass(eq=False)
class _State:
    primitives: Callable[[], Primitives]
    loss: SupportsFloat
    phase: float


class Record:
    """The best state of a fit. Losses are read in batches where each reading waits for the engine."""

    def __init__(self, descent: Descent) -> None:
        self._descent = descent
        self._unread: list[_State] = []
        self._best: _State | None = None
        self._least = math.inf  # its loss
        self.loss = math.inf
        """The latest loss that was read."""

    def add(self, loss: SupportsFloat) -> None:
        """Adds the state that the descent has evaluated, and its loss."""
        self._unread.append(_State(self._descent.state, loss, self._descent.phase))
        # The first loss shows errors early; on a CPU there is nothing to wait for.
        if self._best is None or not self._descent.waits:
            self.read()

    def advance(self, step: int) -> None:
        """Reads all losses after every READ_EVERY steps."""
        if (step + 1) % READ_EVERY == 0:
            self.read()

    def read(self) -> None:
        """Reads all losses."""
        if not self._unread:
            return
        for state in self._unread:
            self.loss = loss = float(state.loss)
            if self._descent.accepts(loss) and self._is_better(state.phase, loss):
                self._best, self._least = state, loss
        self._latest = self._unread[-1]
        self._unread = []

    @property
    def best(self) -> tuple[Primitives, float]:
        """The primitives of the best state and their loss; the latest ones where no loss was finite."""
        self.read()
        return (self._best or self._latest).primitives(), self._least

    def _is_better(self, phase: float, loss: float) -> bool:
        if self._best is None or phase > self._best.phase:
            return True
        return phase == self._best.phase and loss < self._least
