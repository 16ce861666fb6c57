"""The fit of a clip: each shot from frame to frame, and then all its frames together.

The result is the same, bit for bit, for any number of threads, and for a fit that was interrupted and resumed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ...control import Control
from ...job import Array, Clip, Layout, Settings, UserError
from ...native.arrays import FloatArray, IntArray
from ...native.elementary import exp, log
from ...stopwatch import part
from ...templates import Templates
from .. import fit_goal
from ..goal import Goal, LazyGoals
from ..judge import Judge
from ..reporter import Snapshot
from .assembly import Shot, assembled, posed
from .context import Context
from .refinement import Refinement
from .shots import CutFinder
from .tracking import Identities, Pose, Tracker, picked

STEP_SHARE = 1.25
"""Time of a round of refinement per frame, in steps of the frame's descent."""


class Journal(Protocol):
    """Storage of the frames and shots that are done, from which an interrupted fit resumes."""

    def load(self, name: str) -> dict[str, Array] | None: ...

    def save(self, name: str, arrays: dict[str, Array]) -> None: ...


@dataclass
class ClipSnapshot:
    """The progress of the fit of a clip."""

    step: int  # of `total`, in steps of one frame
    total: int
    frame: int  # being fitted, number from 0
    psnr: float  # dB on the settings' background, of the latest image
    seconds_left: float
    image: FloatArray | None = None  # [3, H, W] of the frame, display-encoded, when a preview is due


@dataclass
class ClipResult:
    layout: Layout  # the files of its templates are empty; after a cancel, some frames are missing
    shots: list[int]  # the first frame of each, numbers from 0
    cancelled: bool
    seconds: float


Observer = Callable[[ClipSnapshot], None]


def fit_clip(
    goals: Sequence[Goal],  # of each frame; may be made on access
    templates: Templates,
    settings: Settings,
    clip: Clip,
    *,
    frames: Sequence[int],  # the scene's frame of each
    fps: float,
    start: Layout | None = None,
    begin: Layout | None = None,
    observer: Observer | None = None,
    control: Control | None = None,
    journal: Journal | None = None,
) -> ClipResult:
    """Finds how settings.count primitives move so that together they look like the target in every frame.

    The layout has more primitives than that: each shot has its own, and a primitive that moves to a better place is two
    that are seen in turn. settings.iterations apply to a shot's first frame. A frame that stays completely clear shows
    nothing, and ends the shot before it.
    start is a layout whose last frame is the first one here; its primitives continue and keep their identities.
    begin is a layout that the first frame's fit continues from, as fit does.
    Cancelling the control ends the fit with the frames that are done.

    Raises UserError for settings that are for still pictures only, and as fit does.
    """
    check_clip_settings(settings)
    # A start without visible primitives is no start.
    seen = 0 if start is None else int((start.opacity[-1] > 0).sum())
    if seen:
        settings = replace(settings, count=seen)
    if begin is not None:
        settings = replace(settings, count=begin.count + settings.added)
    fit = _ClipFit(goals, templates, settings, clip, observer, control or Control(), journal, begin)
    with part("steps"):
        shots = fit.run(start if seen else None)
    layout = assembled(shots, fit.context, list(frames)[: fit.done], fps)
    return ClipResult(layout, [shot.first for shot in shots], fit.cancelled, fit.seconds)


def check_clip_settings(settings: Settings) -> None:
    """Raises UserError for settings that are for still pictures only."""
    if settings.recipe != "default":
        raise UserError(f"The recipe {settings.recipe} is for still pictures: choose default for a clip")
    if settings.order != "free":
        raise UserError("Moving stamps cannot be kept in the order of their sizes: set the order to free")
    if settings.spacing > 0:
        raise UserError("Moving stamps cannot be kept apart: set the spacing to 0")


def _first_seen(goals: Sequence[Goal]) -> Goal:
    goal = next((goal for goal in goals if not goal.blank), None)
    if goal is None:
        raise UserError("The target is transparent or masked out in all frames: nothing is left to be shown")
    return goal


class _ClipFit:
    def __init__(
        self,
        goals: Sequence[Goal],
        templates: Templates,
        settings: Settings,
        clip: Clip,
        observer: Observer | None,
        control: Control,
        journal: Journal | None,
        begin: Layout | None,
    ) -> None:
        self._begin = begin
        self._goals, self._templates, self._settings, self._clip = goals, templates, settings, clip
        self._control, self._journal = control, journal
        self.context = Context.of(_first_seen(goals), templates, settings, clip)
        self.done = 0
        """Number of frames that are done."""
        self._progress = _Progress(len(goals), settings, clip, observer)

    @property
    def cancelled(self) -> bool:
        return self._control.cancelled

    @property
    def seconds(self) -> float:
        """The time of the fit, without pauses."""
        return self._progress.seconds

    def run(self, start: Layout | None) -> list[Shot]:
        shots: list[Shot] = []
        while self.done < len(self._goals) and not (shots and self.cancelled):
            if self._goals[self.done].blank:
                self.done += 1
                self._progress.passed(1)
                continue
            shot = self._shot(self.done, start if self.done == 0 else None)
            if shots and self.cancelled and len(shot.poses) == 1:
                break  # it has hardly begun
            shots.append(shot)
            self.done += len(shot.poses)
        return shots

    def _shot(self, begin: int, start: Layout | None) -> Shot:
        """Fits the shot that begins with this frame, and finds its end."""
        name = f"shot_{begin:06d}"
        saved = self._load(name)
        if saved is not None:
            shot = Shot.unpacked(begin, saved)
            self._progress.passed(len(shot.poses))
            return shot
        tracker = self._tracked(begin, start)
        shot = Shot(begin, tracker.identities, tracker.finished())
        if len(shot.poses) > 1 and self._clip.refinement > 0 and not self._control.cancelled:
            pinned = begin == 0 and start is not None
            levels = self._levels(shot)
            if start is not None and pinned:
                # The levels of the previous part apply here, too.
                levels[: start.count] = shot.identities.level[: start.count]
            shot.identities.level = levels
            goals = LazyGoals(len(shot.poses), lambda frame: self._goals[begin + frame])
            refinement = Refinement(self.context, shot.identities, shot.poses, goals, pinned)
            with part("refinement"):
                shot.poses = refinement.run(lambda frame: self._goes_on(begin + frame, STEP_SHARE))
        if not self._control.cancelled:
            self._save(name, shot.packed())
        return shot

    def _tracked(self, begin: int, start: Layout | None) -> Tracker:
        """Fits the shot's frames, one after the other."""
        finder = CutFinder(self._clip.cut)
        goal = self._goals[begin]
        finder.is_cut(goal.target)
        tracker = self._first(begin, goal, start)
        for frame in range(begin + 1, len(self._goals)):
            goal = self._goals[frame]
            if self._control.cancelled or goal.blank or finder.is_cut(goal.target):
                break
            name = f"frame_{frame:06d}"
            saved = self._load(name)
            if saved is not None:
                tracker.follow(goal, saved)
            else:
                tracker.advance(goal)
                self._save(name, tracker.state())
            self._goes_on(frame, self._clip.iterations, tracker)
        return tracker

    def _first(self, begin: int, goal: Goal, start: Layout | None) -> Tracker:
        """Fits the shot's first frame: from the start, or by the recipe for still pictures."""
        name = f"frame_{begin:06d}"
        saved = self._load(name)
        if saved is not None:
            identities, pose = picked(Identities, saved), picked(Pose, saved, "now_")
        else:
            layout = start
            if layout is None:
                own = replace(self._settings, preview_seconds=0.0)
                layout = fit_goal(
                    goal,
                    self._templates,
                    own,
                    start=self._begin if begin == 0 else None,
                    observer=self._stepped(begin),
                    control=self._control,
                ).layout
            identities, pose = posed(layout, self.context)
        tracker = Tracker(self.context, identities, pose, goal)
        if saved is None and not self._control.cancelled:
            self._save(name, tracker.state())
        self._goes_on(begin, 0, tracker)
        return tracker

    def _stepped(self, frame: int) -> Callable[[Snapshot], None]:
        return lambda snapshot: self._progress.add(1, frame, None)

    def _levels(self, shot: Shot) -> IntArray:
        """Returns mip levels [N, 2] for the mean size of each primitive while it is seen."""
        seen = np.stack([pose.fade for pose in shot.poses])[..., None]
        logs = log(np.stack([np.maximum(pose.params[:, 2:4], 1e-6) for pose in shot.poses]))
        scale, aspect = exp((seen * logs).sum(0) / np.maximum(seen.sum(0), 1e-6)).T
        return self._templates.choose_levels(shot.identities.template, scale, aspect, self.context.recipe.bias)

    def _goes_on(self, frame: int, steps: float, tracker: Tracker | None = None) -> bool:
        """Counts steps on a frame, and waits while the fit is paused. Returns whether the fit continues."""
        self._progress.add(steps, frame, None if tracker is None else lambda: self._seen(frame, tracker))
        self._progress.exclude(self._control.wait())
        return not self._control.cancelled

    def _seen(self, frame: int, tracker: Tracker) -> tuple[FloatArray, float]:
        """Returns the tracker's latest image [3, H, W], display-encoded, and its PSNR."""
        context = self.context
        if not self._goals[frame].counts:
            return self._goals[frame].target, 0.0
        judge = Judge(context.engine, self._goals[frame], linear=context.linear)
        return judge(*tracker.drawn())

    def _load(self, name: str) -> dict[str, Array] | None:
        return None if self._journal is None else self._journal.load(name)

    def _save(self, name: str, arrays: dict[str, Array]) -> None:
        if self._journal is not None:
            self._journal.save(name, arrays)


class _Progress:
    """Counts steps and reports them to the observer."""

    def __init__(self, frames: int, settings: Settings, clip: Clip, observer: Observer | None) -> None:
        self._each = clip.iterations + STEP_SHARE * clip.refinement
        self._total = settings.iterations + frames * self._each
        self._done, self._new = 0.0, 0.0  # all, and those of this run
        self._observer, self._settings = observer, settings
        self._begin = self._next_preview = time.perf_counter()
        self._psnr = 0.0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._begin

    def exclude(self, seconds: float) -> None:
        self._begin += seconds

    def passed(self, frames: int) -> None:
        """Counts frames without work: blank ones, and those of an earlier run."""
        self._done += frames * self._each

    def add(self, steps: float, frame: int, look: Callable[[], tuple[FloatArray, float]] | None) -> None:
        self._done, self._new = self._done + steps, self._new + steps
        if self._observer is None:
            return
        done = min(self._done, self._total - 1.0)
        left = self.seconds / self._new * (self._total - done) if self._new > 0 else 0.0
        snapshot = ClipSnapshot(int(done), math.ceil(self._total), frame, self._psnr, left)
        now = time.perf_counter()
        if look is not None and self._settings.preview_seconds > 0 and now >= self._next_preview:
            snapshot.image, self._psnr = look()
            snapshot.psnr = self._psnr
            self._next_preview = now + self._settings.preview_seconds
        self._observer(snapshot)
