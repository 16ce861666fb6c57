"""The interface between a recipe and the loop of a fit."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..job import Layout
from .primitives import Primitives


class Descent(Protocol):
    """A recipe at work on the primitives of a fit: evaluates a state of them, and makes the step to the next."""

    def evaluate(self, step: int, progress: float) -> Tensor:
        """The loss ([] float64) after so many steps, and after this share of all, on the engine's device."""
        ...

    def accepts(self, loss: float) -> bool:
        """Says whether a state of this loss can be the result. Raises UserError where the loss itself is to blame."""
        ...

    def advance(self, progress: float) -> None:
        """Makes the step that was evaluated."""
        ...

    @property
    def phase(self) -> int:
        """The phase of the latest loss: losses compare within one, and a later one is of a picture more finished."""
        ...

    @property
    def primitives(self) -> Primitives:
        """The primitives as they were evaluated, colors display-encoded; later steps leave them as they are."""
        ...

    def finished(self, primitives: Primitives) -> Primitives:
        """The primitives to judge and keep: within the limits that they only come near to on the way. Takes time."""
        ...

    def judge(self, primitives: Primitives) -> tuple[Tensor, float]:
        """The image of primitives [3, H, W] on the settings' background, display-encoded, and its PSNR in dB."""
        ...

    def layout(self, primitives: Primitives) -> Layout: ...
