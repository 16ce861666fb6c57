"""Runs of jobs with a moving target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..fitting.clip import ClipResult, ClipSnapshot, check_clip_settings, fit_clip
from ..fitting.clip.regions import MovingRegion, fit_clip_regions
from ..fitting.goal import Goal, goal_of
from ..job import Clip, Job, Layout, Log, Progress, UserError
from ..layouts.contents import PROGRESS
from ..layouts.rendering import render_layout
from ..metrics.clip import ClipMeter, jitter
from ..metrics.plot import plot_metrics
from ..native.arrays import FloatArray
from ..pictures.images import load_gray
from ..pictures.movies import Footage, load_masks
from ..stopwatch import part
from .inputs import over_background, shown_target, weighed
from .journal import FolderJournal
from .previews import small
from .run import Run


def run_clip(run: Run, clip: Clip) -> ClipResult:
    """Fits a clip, and leaves its result in the run's folder. See run_job.

    Cancelling the control keeps the frames that are done; before the first one, only the progress is kept.
    """
    _check(run)
    with ExitStack() as stack:
        run.emit(Log("Reading the target"))
        with part("read"):
            footage = stack.enter_context(Footage(Path(run.job.target), clip, run.job.settings.size))
        size = f"{len(footage)} frames of {footage.width} x {footage.height} px"
        run.choose_engine(footage.height, footage.width, size)
        journal = _journal(run)
        goals = Goals(run.job, clip, footage)
        result = _fitted(run, clip, goals, footage, journal)
        if not result.layout.frames:
            return result
        run.emit(Log("Measuring the result"))
        run.folder.save(result.layout)
        measured = _Measured(result, goals, run)

        def metrics() -> dict[str, Any]:
            seen = int((result.layout.opacity > 0).sum(1).max(initial=0))
            counts = {"count": seen, "primitives": result.layout.count}
            return {**measured.values, **counts, **run.metrics(result.seconds)}

        with part("save"):
            run.folder.finish_clip(measured.pictures(), metrics)
            shots = [result.layout.frames[first] for first in result.shots]
            run.folder.add("metrics.png", partial(plot_metrics, measured.values, result.layout.frames, shots[1:]))
        if not result.cancelled:
            run.folder.drop_progress()
        return result


def _check(run: Run) -> None:
    """Raises UserError for a wrong job before the progress of an earlier run is touched."""
    job, folder = run.job, run.folder.path
    if job.settings.recording:
        raise UserError("A moving target is fitted frame by frame, which makes no recording: leave that out")
    check_clip_settings(job.settings)
    if job.start and Path(job.start).resolve() == folder:
        raise UserError(f"{folder} holds the layout to continue from, which would be replaced: choose another folder")


def _journal(run: Run) -> FolderJournal:
    """Opens the progress of an earlier run, if there is one, and logs it."""
    journal = FolderJournal(run.folder.path / PROGRESS, run.job)
    if journal.dropped:
        run.emit(Log("The progress of an earlier run belongs to another job or version and is dropped"))
    if journal.frames:
        run.emit(Log(f"Continuing after {journal.frames} frames of an earlier run"))
    return journal


class Goals(Sequence[Goal]):
    """The goals of a clip's frames, each made on access."""

    def __init__(self, job: Job, clip: Clip, footage: Footage) -> None:
        """Opens the masks. Raises UserError where one does not match the frames, or nothing counts in the first."""
        self._job, self._footage = job, footage
        size = (len(footage), footage.height, footage.width)
        # A moving mask keeps step with the target.
        clip = replace(clip, fps=footage.fps)
        self._importance = load_gray(Path(job.importance), *size[1:]) if job.importance else None
        self._mask = load_masks(Path(job.mask), clip, *size) if job.mask else None
        self.regions = [
            MovingRegion(r.name, load_masks(Path(r.mask), clip, *size), tuple(r.stamps), r.share, r.settings)
            for r in job.regions
        ]

    def __len__(self) -> int:
        return len(self._footage)

    def __getitem__(self, index: int) -> Goal:  # type: ignore[override]
        target, weight = self.picture(index)
        importance = None if self._importance is None else weighed(self._importance, weight)
        return goal_of(target, {"mask": weight, "importance": importance, "hidden part": None}, self._job.settings)

    def picture(self, index: int) -> tuple[FloatArray, FloatArray | None]:
        """Returns the target of a frame [3, H, W] and where it counts [H, W]: see inputs.shown_target."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        mask = None if self._mask is None else self._mask[index].astype(np.float32) / np.float32(255.0)
        return shown_target(*self._footage[index], mask, self._job.settings)


def _fitted(run: Run, clip: Clip, goals: Goals, footage: Footage, journal: FolderJournal) -> ClipResult:
    job, templates = run.job, run.templates
    frames = [clip.scene_start + number - clip.start for number in footage.numbers]
    observer = _Reporter(run, frames, journal)
    options: dict[str, Any] = {"frames": frames, "fps": footage.fps, "observer": observer, "control": run.control}
    if goals.regions:
        return fit_clip_regions(goals, goals.regions, templates, job.settings, clip, journal=journal, **options)
    start = Layout.load(Path(job.start)) if job.start else None
    if start is not None and len(start.frames) > 1:
        # A part of a clip continues from the frame that it shares with the previous part.
        if frames[0] not in start.frames:
            raise UserError(
                f"{job.start} has no frame {frames[0]}, with which this part begins: begin with its last, "
                f"{start.frames[-1]}"
            )
        options["start"] = start.only([start.frames.index(frames[0])])
    elif start is not None:
        options["begin"] = start
    return fit_clip(goals, templates, job.settings, clip, journal=journal, **options)


class _Measured:
    """Renders the frames of a result, and holds its metrics once all are rendered."""

    def __init__(self, result: ClipResult, goals: Goals, run: Run) -> None:
        self._result, self._goals, self._run = result, goals, run
        self._meter = ClipMeter(smooth=not run.control.cancelled)
        self.values: dict[str, Any] = {}

    def pictures(self) -> Iterator[tuple[int, FloatArray]]:
        """Yields the scene's frame and the image [3 or 4, H, W] of each frame, and measures it."""
        layout, templates, settings = self._result.layout, self._run.templates, self._run.job.settings
        options: dict[str, Any] = {"engine": settings.engine, "threads": settings.threads}
        for index, number in enumerate(layout.frames):
            with part("judge"):
                target, weight = self._goals.picture(index)
                target = over_background(target, weight, settings)
                image = render_layout(layout, templates, frame=index, **options)[:3]
                self._meter.add(image, target, weight, cut=index in self._result.shots)
            if layout.transparent:
                image = render_layout(layout, templates, frame=index, transparent=True, **options)
            yield number, image
        self.values = self._meter.metrics() | jitter(layout, self._meter.static)


class _Reporter:
    """Turns the fit's snapshots into events and previews."""

    def __init__(self, run: Run, frames: list[int], journal: FolderJournal) -> None:
        self._run, self._frames, self._journal = run, frames, journal
        self._preview = ""

    def __call__(self, snapshot: ClipSnapshot) -> None:
        if snapshot.image is not None and self._run.job.settings.preview_seconds > 0:
            self._preview = str(self._journal.preview(small(snapshot.image)))
        frame = self._frames[snapshot.frame]
        step = snapshot.step, snapshot.total, 0.0, snapshot.psnr, snapshot.seconds_left, self._preview, frame
        self._run.pace(Progress(*step), due=snapshot.image is not None)
