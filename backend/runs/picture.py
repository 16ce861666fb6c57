"""Runs of jobs with a picture as target."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..fitting import fit
from ..fitting.loop import FitResult
from ..fitting.reporter import Observer, Snapshot
from ..job import Layout, Log, Progress
from ..layouts.rendering import render_layout
from ..native.arrays import ByteArray, FloatArray
from ..stopwatch import part
from .inputs import load_importance, load_pictures, load_regions
from .measure import judge
from .previews import small
from .run import Run

if TYPE_CHECKING:
    from ..fitting.regions import Region

CHECKPOINT_SECONDS = 5.0
"""Time between checkpoints where previews are off."""


def run_picture(run: Run) -> FitResult:
    """Fits a picture, and leaves its result in the run's folder. See run_job."""
    with part("read"):
        target, weight = load_pictures(run.job)
        height, width = target.shape[1:]
        run.choose_engine(height, width, f"{width} x {height} px")
        regions = load_regions(run.job, target)
    observer = _Reporter(run)
    result = _fitted(run, target, weight, regions, observer)
    if regions:
        from ..fitting.regions import shown

        weight = shown(regions, weight)
    with part("save"):
        run.folder.save(result.layout, last=True)
        if observer.recorded:
            from ..layouts.animate import course

            run.folder.record(course([*observer.recorded, result.layout], run.templates))
    run.emit(Log("Measuring the result"))
    with part("judge"):
        render, metrics = judge(result, target, weight, run.templates, run.job.settings, run.control)
    with part("save"):
        if run.job.settings.preview_seconds > 0:
            run.folder.preview(small(render))
        run.folder.finish(render, metrics | run.metrics(result.seconds))
    return result


def _fitted(
    run: Run,
    target: FloatArray,  # [3, H, W]
    weight: FloatArray | None,  # [H, W]
    regions: list[Region],
    observer: Observer,
) -> FitResult:
    """Runs the fit of the job, with checkpoints even where previews are off."""
    job, templates = run.job, run.templates
    settings = replace(job.settings, preview_seconds=job.settings.preview_seconds or CHECKPOINT_SECONDS)
    options: dict[str, Any] = {"weight": weight, "importance": load_importance(job, target, weight)}
    options |= {"observer": observer, "control": run.control}
    if regions:
        from ..fitting.regions import fit_regions

        return fit_regions(target, templates, settings, regions, **options)
    start = Layout.load(Path(job.start)) if job.start else None
    return fit(target, templates, settings, start=start, **options)


class _Reporter:
    """Turns the fit's snapshots into events, checkpoints and previews."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._preview = ""
        self.recorded: list[Layout] = []

    def __call__(self, snapshot: Snapshot) -> None:
        if snapshot.current is not None:
            self.recorded.append(snapshot.current)
        due = snapshot.step == snapshot.total
        if snapshot.layout is not None and snapshot.image is not None:
            with part("save"):
                self._run.folder.save(snapshot.layout)
                if self._run.job.settings.preview_seconds > 0:
                    self._preview = str(self._run.folder.preview(self._picture(snapshot.layout, snapshot.image)))
            due = True
        step = snapshot.step, snapshot.total, snapshot.loss, snapshot.psnr, snapshot.seconds_left, self._preview
        self._run.pace(Progress(*step), due=due)

    def _picture(self, layout: Layout, image: FloatArray) -> ByteArray:
        """Returns the preview of a layout with this image [3, H, W]: see previews.small."""
        if not layout.transparent:
            return small(image)
        settings, templates = self._run.job.settings, self._run.templates
        return small(
            render_layout(layout, templates, transparent=True, engine=settings.engine, threads=settings.threads)
        )
