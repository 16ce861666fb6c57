"""A job whose target moves, from its frames to its result folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..control import Control
from ..engines import make_rasterizer
from ..engines.choice import choose_engine
from ..fitting.clip import ClipResult, ClipSnapshot, check_clip_settings, fit_clip
from ..fitting.clip.regions import MovingRegion, fit_clip_regions
from ..fitting.goal import Goal, goal_of
from ..job import Clip, Done, Job, Layout, Log, Progress, Settings, UserError
from ..layouts.result_folder import PROGRESS, ResultFolder
from ..metrics.clip import ClipMeter, jitter
from ..metrics.plot import plot_metrics
from ..pictures.color import composited
from ..pictures.images import load_grey, save_png
from ..pictures.movies import Footage, load_masks
from ..rendering import render_layout
from ..templates import Templates, load_templates
from .inputs import weighed
from .journal import FolderJournal
from .previews import Emit, shrunk

_EVENT_SECONDS = 0.1


def run_clip(job: Job, clip: Clip, out: Path, emit: Emit, control: Control) -> None:
    """Fits a clip, and leaves a result folder (layouts.result_folder) in `out`.

    A run that was interrupted goes on from its last frame where the same job is run again. emit is called with Log,
    Progress and at last Done. A control that is cancelled leaves the frames that there are; before the first one, Done
    names no folder. Raises UserError for whatever the user can mend.
    """
    begin = time.perf_counter()
    _check(job, out)
    templates = load_templates(job.templates)
    folder = ResultFolder(out, templates, keeps_progress=True)
    with ExitStack() as stack:
        emit(Log("Reading the target"))
        footage = stack.enter_context(Footage(Path(job.target), clip, job.settings.size))
        choice = choose_engine(job.settings.engine, templates, job.settings.count, footage.height, footage.width)
        job = replace(job, settings=replace(job.settings, engine=choice.engine))
        settings = job.settings
        engine = make_rasterizer(settings.engine, templates, 1, 1, threads=settings.threads)
        why = f" (no CUDA: {choice.reason})" if choice.reason else ""
        size = f"{len(footage)} frames of {footage.width} x {footage.height} px"
        emit(Log(f"{size}, stamps: {len(templates)}, engine {engine.name} on {engine.device}{why}"))
        progress = folder.path / PROGRESS
        journal = FolderJournal(progress, job)
        if journal.dropped:
            emit(Log("What an earlier run had found was of another job, and is dropped"))
        if journal.frames:
            emit(Log(f"Goes on after {journal.frames} frames that an earlier run has found"))
        goals = Goals(job, clip, footage)
        frames = [clip.scene_start + number - clip.start for number in footage.numbers]
        observer = _Reporter(progress / "preview.png", frames, emit, settings)
        result = _fitted(job, clip, goals, frames, footage.fps, templates, observer, control, journal)
        if not result.layout.frames:
            emit(Done("", cancelled=True))
            return
        emit(Log("Measuring the result"))
        folder.save(result.layout)
        measured = _Measured(result, goals, templates, settings, control)

        def metrics() -> dict[str, Any]:
            seconds = {"total": round(time.perf_counter() - begin, 3), "fit": round(result.seconds, 3)}
            seen = int((result.layout.opacity > 0).sum(1).max(initial=0))
            more = {"seconds": seconds, "count": seen, "primitives": result.layout.count}
            return {**measured.values, **more, "engine": engine.name, "device": engine.device}

        folder.finish_clip(measured.pictures(), metrics)
        shots = [result.layout.frames[first] for first in result.shots]
        plot_metrics(measured.values, result.layout.frames, shots[1:], folder.path / "metrics.png")
        if not result.cancelled:
            folder.drop_progress()
        emit(Done(str(folder.path), result.cancelled))


def _check(job: Job, out: Path) -> None:
    """Raises UserError for what can be wrong before an earlier run's progress is touched."""
    if job.settings.recording:
        raise UserError("A moving target is fitted frame by frame, which makes no recording: leave that out")
    check_clip_settings(job.settings)
    if job.start and Path(job.start).resolve() == out.resolve():
        raise UserError(f"{out} holds the layout to continue from, which would be replaced: choose another folder")


class Goals(Sequence[Goal]):
    """What each frame of a clip is to look like, made when it is asked for."""

    def __init__(self, job: Job, clip: Clip, footage: Footage) -> None:
        """Raises UserError where a mask does not go with the frames, or nothing counts in the first one."""
        self._job, self._footage = job, footage
        size = (len(footage), footage.height, footage.width)
        # A mask with a time of its own keeps step with the target.
        clip = replace(clip, fps=footage.fps)
        self._importance = load_grey(Path(job.importance), *size[1:]) if job.importance else None
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

    def picture(self, index: int) -> tuple[Tensor, Tensor | None]:
        """As run.load_pictures gives it, of a frame: [3, H, W], [H, W]."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        settings = self._job.settings
        color, alpha = self._footage[index]
        background = torch.tensor(settings.background)
        target = color if settings.transparent else composited(color, alpha, background, "display")
        weight = alpha if bool((alpha < 1.0).any()) else None
        if self._mask is not None:
            mask = self._mask[index].float() / 255.0
            weight = mask if weight is None else mask * weight
        return target, weight


def _fitted(
    job: Job,
    clip: Clip,
    goals: Goals,
    frames: list[int],
    fps: float,
    templates: Templates,
    observer: _Reporter,
    control: Control,
    journal: FolderJournal,
) -> ClipResult:
    options: dict[str, Any] = {"frames": frames, "fps": fps, "observer": observer, "control": control}
    if goals.regions:
        return fit_clip_regions(goals, goals.regions, templates, job.settings, clip, journal=journal, **options)
    start = Layout.load(Path(job.start)) if job.start else None
    if start is not None and len(start.frames) > 1:
        # A part of a clip goes on from the frame that it shares with the one before.
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
    """The frames of a result, and its numbers once they have all been drawn."""

    def __init__(
        self, result: ClipResult, goals: Goals, templates: Templates, settings: Settings, control: Control
    ) -> None:
        self._result, self._goals, self._templates = result, goals, templates
        self._settings, self._control = settings, control
        self._meter = ClipMeter(smooth=not control.cancelled)
        self.values: dict[str, Any] = {}

    def pictures(self) -> Iterator[tuple[int, Tensor]]:
        """The scene's frame and the image [3 or 4, H, W] of each frame; measures them."""
        layout, settings = self._result.layout, self._settings
        options: dict[str, Any] = {"engine": settings.engine, "threads": settings.threads}
        for index, number in enumerate(layout.frames):
            target, weight = self._goals.picture(index)
            if settings.transparent and weight is not None:
                target = composited(target, weight, torch.tensor(settings.background), settings.space)
            image = render_layout(layout, self._templates, frame=index, **options)[:3]
            self._meter.add(image, target, weight, cut=index in self._result.shots)
            if layout.transparent:
                image = render_layout(layout, self._templates, frame=index, transparent=True, **options)
            yield number, image
        self.values = self._meter.metrics() | jitter(layout, self._meter.static)


class _Reporter:
    """Turns the fit's snapshots into events and previews."""

    def __init__(self, preview: Path, frames: list[int], emit: Emit, settings: Settings) -> None:
        self._path, self._frames, self._emit, self._settings = preview, frames, emit, settings
        self._preview = ""
        self._next_event = 0.0

    def __call__(self, snapshot: ClipSnapshot) -> None:
        if snapshot.image is not None and self._settings.preview_seconds > 0:
            save_png(self._path, shrunk(snapshot.image))
            self._preview = str(self._path)
        now = time.perf_counter()
        if now < self._next_event and snapshot.image is None:
            return
        self._next_event = now + _EVENT_SECONDS
        frame = self._frames[snapshot.frame]
        told = (snapshot.step, snapshot.total, 0.0, snapshot.psnr, snapshot.seconds_left, self._preview, frame)
        self._emit(Progress(*told))
