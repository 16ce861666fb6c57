"""What a fit of a moving target can be told beside the settings of a still one. Standard library only.

The add-on imports it by way of backend.job, whose conventions hold here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from .errors import UserError
from .setting import check, setting

MAX_FRAME = 1_048_574
"""Blender's last frame."""

_frames = partial(setting, group="clip")
_motion = partial(setting, group="clip", preset=True)


@dataclass
class Clip:
    """Which frames of a moving target are fitted, where they lie in the scene, and how the stamps move.

    Frame numbers of the target count from 1, at `fps`. The scene's frame of the target's frame n is
    scene_start + n - start: with a step, frames of the scene between two that are fitted are left out.
    """

    start: int = _frames(
        1, "Start", "Set the first frame of the target that is fitted", (1, MAX_FRAME), option="--frames"
    )
    end: int = _frames(
        0, "End", "Set the last frame that is fitted", (0, MAX_FRAME), zero="the last there is", option="--frames"
    )
    step: int = _frames(
        1, "Step", "Fit one frame of so many: the stamps move smoothly from one to the next", (1, 1000), soft=12
    )
    fps: float = _frames(
        0.0,
        "Frame Rate",
        "Set the frames per second of the result: a movie of another rate is resampled",
        (0.001, 1000.0),
        zero="as the target has",
        soft=120.0,
    )
    scene_start: int = _frames(
        1, "Place at Frame", "Set the frame of the built scene that shows the first frame", (0, MAX_FRAME)
    )
    iterations: int = _motion(
        40,
        "Steps per Frame",
        "Set how many steps each frame takes after the first one of a shot: more come closer to the target and take "
        "longer",
        (1, 1_000_000),
        soft=500,
        option="--frame-iterations",
    )
    refinement: int = _motion(
        60, "Refinement", "Smooth the stamps' paths in so many rounds at the end", (0, 100_000), zero="none", soft=200
    )
    knots: int = _motion(
        16,
        "Path Detail",
        "Set how many frames lie from knot to knot of the stamps' paths: fewer follow fast motion, more move calmly",
        (1, 1000),
        soft=24,
    )
    smoothness: float = _motion(
        1.0, "Smoothness", "Keep a stamp from changing between frames", (0.0, 1000.0), zero="not at all", soft=10.0
    )
    flow: bool = _motion(True, "Follow Motion", "Carry the stamps along with what moves in the target")
    fade: int = _motion(
        1,
        "Fade",
        "Set in how many frames a stamp fades that is more useful elsewhere, and appears there",
        (0, 100),
        zero="stamps stay where they are",
        soft=24,
    )
    still: float = _motion(
        0.03,
        "Still Below",
        "Let the stamps rest where the target changes by less than this share of full brightness",
        (0.0, 1.0),
        zero="every change counts",
    )
    cut: float = _motion(
        0.4,
        "Cut Below",
        "Begin a new shot, with stamps of its own, where the correlation of two frames is less than this",
        (0.0, 1.0),
        zero="cuts are not looked for",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.end and self.end < self.start:
            raise UserError(f"The clip ends at frame {self.end}, before it starts at {self.start}: swap them")
