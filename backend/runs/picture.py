"""A job from its pictures to its result folder. The command line and the worker both call this."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ..control import Control
from ..engines import make_rasterizer
from ..engines.choice import choose_engine
from ..fitting import fit
from ..fitting.loop import FitResult
from ..fitting.regions import Region, fit_regions, shown
from ..fitting.reporter import Observer, Snapshot
from ..job import Done, Job, Layout, Log, Progress, Settings
from ..layouts.animate import course
from ..layouts.result_folder import ResultFolder
from ..rendering import render_layout
from ..templates import Templates, load_templates
from .inputs import load_importance, load_pictures, load_regions
from .measure import judge
from .memory import memory_errors_named
from .previews import Emit, shrunk, small

CHECKPOINT_SECONDS = 5.0
"""Time between checkpoints where no previews are wanted."""

_EVENT_SECONDS = 0.1
_SHARE = 0.1  # of the time that checkpoints may take


@memory_errors_named()
def run_job(job: Job, out: Path, emit: Emit, control: Control) -> None:
    """Fits, and leaves a result folder (layouts.result_folder) in `out`; soon after the start it holds the best so far.

    emit is called with Log, Progress and at last Done. A control that is cancelled ends the fit with what there is;
    before there is a layout, Done names no folder. Raises UserError for whatever the user can mend.
    """
    begin = time.perf_counter()
    if control.cancelled:
        emit(Done("", cancelled=True))
        return
    if job.clip is not None:
        from .clip import run_clip

        run_clip(job, job.clip, out, emit, control)
        return
    templates = load_templates(job.templates)
    folder = ResultFolder(out, templates)
    target, weight = load_pictures(job)
    height, width = target.shape[1:]
    choice = choose_engine(job.settings.engine, templates, job.settings.count, height, width)
    settings = replace(job.settings, engine=choice.engine)
    engine = make_rasterizer(settings.engine, templates, 1, 1, threads=settings.threads)
    why = f" (no CUDA: {choice.reason})" if choice.reason else ""
    emit(Log(f"{width} x {height} px, stamps: {len(templates)}, engine {engine.name} on {engine.device}{why}"))
    job = replace(job, settings=settings)
    regions = load_regions(job, target)
    observer = _Reporter(folder, emit, templates, settings)
    result = _fitted(job, target, weight, regions, templates, observer, control)
    if regions:
        weight = shown(regions, weight)
    folder.save(result.layout)
    if observer.recorded:
        folder.record(course([*observer.recorded, result.layout], templates))
    emit(Log("Measuring the result"))
    render, metrics = judge(result, target, weight, templates, settings, control)
    metrics["seconds"] = {"total": round(time.perf_counter() - begin, 3), "fit": round(result.seconds, 3)}
    if settings.preview_seconds > 0:
        folder.preview(small(render))
    folder.finish(render, {**metrics, "engine": engine.name, "device": engine.device})
    emit(Done(str(folder.path), result.cancelled))


def _fitted(
    job: Job,
    target: Tensor,  # [3, H, W]
    weight: Tensor | None,  # [H, W]
    regions: list[Region],
    templates: Templates,
    observer: Observer,
    control: Control,
) -> FitResult:
    """The fit that the job asks for, with checkpoints in any case."""
    settings = replace(job.settings, preview_seconds=job.settings.preview_seconds or CHECKPOINT_SECONDS)
    importance = load_importance(job, target, weight)
    if regions:
        return fit_regions(
            target,
            templates,
            settings,
            regions,
            weight=weight,
            importance=importance,
            observer=observer,
            control=control,
        )
    start = Layout.load(Path(job.start)) if job.start else None
    return fit(
        target,
        templates,
        settings,
        weight=weight,
        importance=importance,
        start=start,
        observer=observer,
        control=control,
    )


class _Reporter:
    """Turns the fit's snapshots into events, checkpoints and previews."""

    def __init__(self, folder: ResultFolder, emit: Emit, templates: Templates, settings: Settings) -> None:
        self._folder, self._emit = folder, emit
        self._templates, self._settings = templates, settings
        self._preview = ""
        self._next_event = self._next_checkpoint = 0.0
        self.recorded: list[Layout] = []

    def __call__(self, snapshot: Snapshot) -> None:
        begin = time.perf_counter()
        if snapshot.current is not None:
            self.recorded.append(snapshot.current)
        due = begin >= self._next_event or snapshot.step == snapshot.total
        if snapshot.layout is not None and snapshot.image is not None and begin >= self._next_checkpoint:
            self._folder.save(snapshot.layout)
            if self._settings.preview_seconds > 0:
                self._preview = str(self._folder.preview(self._picture(snapshot.layout, snapshot.image)))
            end = time.perf_counter()
            self._next_checkpoint = end + (end - begin) / _SHARE
            due = True
        if due:
            self._next_event = begin + _EVENT_SECONDS
            self._emit(
                Progress(
                    snapshot.step, snapshot.total, snapshot.loss, snapshot.psnr, snapshot.seconds_left, self._preview
                )
            )

    def _picture(self, layout: Layout, image: Tensor) -> Tensor:
        """The layout's image [3, H, W], or straight [4, H, W] where its canvas is transparent; not too large."""
        if not layout.transparent:
            return shrunk(image)
        options = {"engine": self._settings.engine, "threads": self._settings.threads}
        return small(render_layout(layout, self._templates, transparent=True, **options))  # type: ignore[arg-type]
