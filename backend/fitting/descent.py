"""The interface between a recipe and the loop of a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, SupportsFloat

from ..job import Layout
from ..native.arrays import FloatArray
from .primitives import Primitives


class Descent(Protocol):
    """The descent of a recipe: evaluates a state of the primitives, and steps to the next."""

    waits: bool
    """Whether reading a loss or a state waits for a device."""

    def evaluate(self, step: int, progress: float) -> SupportsFloat:
        """Returns the loss at this step and progress from 0 to 1, perhaps still on the engine's device."""
        ...

    def accepts(self, loss: float) -> bool:
        """Returns whether a state with this loss can be the result. Raises UserError for a faulty loss function."""
        ...

    def advance(self, progress: float) -> None:
        """Makes the step that was evaluated."""
        ...

    @property
    def phase(self) -> float:
        """The phase of the latest loss. Losses compare within a phase; a later phase has a more finished picture."""
        ...

    @property
    def state(self) -> Callable[[], Primitives]:
        """Gives the primitives as they were evaluated, colors display-encoded; later steps do not change them."""
        ...

    def finished(self, primitives: Primitives) -> Primitives:
        """Returns the primitives within all limits, which the steps only approach. It is slow."""
        ...

    def judge(self, primitives: Primitives) -> tuple[FloatArray, float]:
        """Returns the image [3, H, W] on the settings' background, display-encoded, and its PSNR in dB: see Judge."""
        ...

    def psnr(self, primitives: Primitives) -> float:
        """Returns the PSNR alone, which needs less memory."""
        ...

    def layout(self, primitives: Primitives) -> Layout: ...
