"""The settings of an animation made of still layouts. Standard library only.

The add-on imports it by way of backend.job, whose conventions hold here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from .setting import Choices, check, setting

EASINGS: Choices = {
    "linear": ("Linear", "Keep the same speed all the time"),
    "smooth": ("Smooth", "Begin and end gently"),
    "in": ("Ease In", "Begin slowly"),
    "out": ("Ease Out", "End slowly"),
    "in-out": ("Ease In and Out", "Begin and end slowly, fast in between"),
    "back": ("Back", "Go a little too far, and back"),
    "elastic": ("Elastic", "Swing like a spring"),
    "bounce": ("Bounce", "Bounce like a ball that falls"),
}
"""In the order of their numbers in Blender's files."""

GROWTHS: Choices = {
    "back": ("From the Back", "Begin with the stamps behind, as one paints"),
    "random": ("Random", "Let them appear in no order"),
    "left": ("From the Left", "Go from left to right"),
    "center": ("From the Center", "Go from the middle outward"),
}
"""In the order of their numbers in Blender's files."""

_in_panel = partial(setting, group="animate")


@dataclass(frozen=True)
class Animation:
    """How the stamps of still layouts move. A transition and a recording have no use for `order` and `overlap`."""

    frames: int = _in_panel(
        48,
        "Frames",
        "Set the length of the motion in frames; of a transition, from each layout to the next",
        (2, 100_000),
        soft=500,
    )
    hold: int = _in_panel(
        12, "Hold", "Set the number of frames for which each picture stands still", (0, 100_000), soft=250
    )
    easing: str = _in_panel("smooth", "Easing", "Choose how the motion begins and ends", choices=EASINGS)
    order: str = _in_panel("back", "Order", "Choose which stamps appear first", choices=GROWTHS)
    overlap: float = setting(0.25, "Overlap", "Set the share of the time in which one stamp grows", (0.0, 1.0))
    fps: float = setting(24.0, "Frame Rate", "Set the frames per second", (1e-3, 1e4))

    def __post_init__(self) -> None:
        check(self)
