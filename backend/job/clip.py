"""Further settings for a moving target, by the standard library only: see backend.job for the conventions."""

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
    """Frames of a moving target to fit, their place in the scene, and how the stamps move.

    Frame numbers of the target count from 1, at `fps`. The scene's frame of the target's frame n is
    scene_start + n - start, so a step leaves gaps between the fitted frames.
    """

    start: int = _frames(1, "Start", "Set the first frame to fit", (1, MAX_FRAME), option="--frames")
    end: int = _frames(0, "End", "Set the last frame to fit", (0, MAX_FRAME), zero="the last", option="--frames")
    step: int = _frames(1, "Step", "Fit every Nth frame; stamps move smoothly in between", (1, 1000), soft=12)
    fps: float = _frames(
        0.0, "Frame Rate", "Set the frame rate, by resampling", (0.001, 1000.0), zero="as the target", soft=120.0
    )
    scene_start: int = _frames(
        1, "Place at Frame", "Set the scene's frame that shows the first one", (-MAX_FRAME, MAX_FRAME)
    )
    iterations: int = _motion(
        40,
        "Steps per Frame",
        "Set the steps for each frame after the first of a shot",
        (1, 1_000_000),
        soft=500,
        option="--frame-iterations",
    )
    refinement: int = _motion(
        60, "Refinement", "Smooth the paths of stamps in N rounds at the end", (0, 100_000), zero="none", soft=200
    )
    knots: int = _motion(
        16, "Path Detail", "Set the frames from knot to knot of a path: fewer follow faster motion", (1, 1000), soft=24
    )
    smoothness: float = _motion(
        1.0, "Smoothness", "Set how strongly stamps resist change", (0.0, 1000.0), zero="not at all", soft=10.0
    )
    flow: bool = _motion(True, "Follow Motion", "Move stamps along with what moves in the target")
    fade: int = _motion(
        1, "Fade", "Fade stamps out and in elsewhere in N frames", (0, 100), zero="stamps stay where they are", soft=24
    )
    still: float = _motion(
        0.03, "Still Below", "Keep stamps still where the target changes by less than this", (0.0, 1.0), zero="never"
    )
    cut: float = _motion(
        0.4, "Cut Below", "Begin a new shot where two frames correlate less than this", (0.0, 1.0), zero="never"
    )

    def __post_init__(self) -> None:
        check(self)
        if self.end and self.end < self.start:
            raise UserError(f"The clip ends at frame {self.end}, before it starts at {self.start}: swap them")
