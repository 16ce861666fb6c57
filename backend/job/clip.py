"""What a fit of a moving target can be told beside the settings of a still one. Standard library only.

The add-on imports it by way of backend.job, whose conventions hold here.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import UserError
from .schema import check_range

MAX_FRAME = 1_048_574
"""Blender's last frame."""


@dataclass
class Clip:
    """Which frames of a moving target are fitted, where they lie in the scene, and how the stamps move.

    Frame numbers of the target count from 1, at `fps`. The scene's frame of the target's frame n is
    scene_start + n - start: with a step, frames of the scene between two that are fitted are left out.
    """

    start: int = 1  # the target's first frame that is fitted
    end: int = 0  # the last; 0 = the target's last
    step: int = 1
    fps: float = 0.0  # frames a second; 0 = the target's own. A movie of another rate is resampled
    scene_start: int = 1  # the scene's frame that shows the first one
    iterations: int = 40  # of each frame after the first of a shot
    refinement: int = 60  # rounds over all frames in which the paths are made smooth; 0 = none
    knots: int = 16  # frames from knot to knot of a path, at most: there are more where the target changes much
    smoothness: float = 1.0  # how strongly a primitive is kept from changing between frames; 0 = not at all
    flow: bool = True  # primitives are carried along by the target's optical flow
    fade: int = 1  # frames in which a primitive fades that is more useful elsewhere; 0 = none goes elsewhere
    still: float = 0.03  # change of a pixel, of 1, below which it counts as still; 0 = every change counts
    cut: float = 0.4  # correlation of two frames below which there is a cut between them; 0 = cuts are not looked for

    def __post_init__(self) -> None:
        check_range("start", self.start, 1, MAX_FRAME)
        check_range("end", self.end, 0, MAX_FRAME)
        if self.end and self.end < self.start:
            raise UserError(f"The clip ends at frame {self.end}, before it starts at {self.start}: swap them")
        check_range("step", self.step, 1, 1000)
        check_range("fps", self.fps, 0.001 if self.fps else 0.0, 1000.0)
        check_range("scene_start", self.scene_start, -MAX_FRAME, MAX_FRAME)
        check_range("iterations", self.iterations, 1, 1_000_000)
        check_range("refinement", self.refinement, 0, 100_000)
        check_range("knots", self.knots, 1, 1000)
        check_range("smoothness", self.smoothness, 0.0, 1000.0)
        check_range("fade", self.fade, 0, 100)
        check_range("still", self.still, 0.0, 1.0)
        check_range("cut", self.cut, 0.0, 1.0)
