"""A job from its pictures to its result folder. The command line and the worker both call this."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .animations import course
from .color import composited
from .control import Control
from .engines import make_rasterizer
from .engines.choice import choose_engine
from .files import UserError
from .fitting import FitResult, Observer, Snapshot, fit
from .fitting.regions import Region, fit_regions, shown
from .images import load_grey, load_mask, load_target
from .job import IMPORTANCE, Done, Event, Job, Layout, Log, Progress, Settings
from .memory import memory_errors_named
from .metrics import psnr, ssim
from .rendering import STRIP_PIXELS, render_layout, render_strips
from .results import ResultFolder
from .templates import Templates, load_templates

CHECKPOINT_SECONDS = 5.0
"""Time between checkpoints where no previews are wanted."""

PREVIEW_SIZE = 1024
"""Longer side of a preview at most, px: it is looked at in a panel, and written while the fit waits."""

_EVENT_SECONDS = 0.1
_SHARE = 0.1  # of the time that checkpoints may take

Emit = Callable[[Event], None]


@memory_errors_named()
def run_job(job: Job, out: Path, emit: Emit, control: Control) -> None:
    """Fits, and leaves a result folder (backend.results) in `out`; soon after the start it holds the best so far.

    emit is called with Log, Progress and at last Done. A control that is cancelled ends the fit with what there is;
    before there is a layout, Done names no folder. Raises UserError for whatever the user can mend.
    """
    begin = time.perf_counter()
    if control.cancelled:
        emit(Done("", cancelled=True))
        return
    if job.clip is not None:
        from .run_clip import run_clip

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


def load_regions(job: Job, target: Tensor) -> list[Region]:
    """The job's regions with their masks at the size of the target [3, H, W]."""
    size = target.shape[1:]
    return [Region(r.name, load_mask(Path(r.mask), *size), tuple(r.stamps), r.share, r.settings) for r in job.regions]


def load_pictures(job: Job) -> tuple[Tensor, Tensor | None]:
    """The target over the background [3, H, W], and where it counts [H, W]: mask times alpha, None = everywhere.

    For a transparent canvas it is the target's straight colours, and the alpha that the result is to have.
    """
    color, alpha = load_target(Path(job.target), job.settings.size)
    background = torch.tensor(job.settings.background)
    target = color if job.settings.transparent else composited(color, alpha, background, "display")
    weight = alpha if bool((alpha < 1.0).any()) else None
    if job.mask:
        mask = load_mask(Path(job.mask), *alpha.shape)
        weight = mask if weight is None else mask * weight
    if weight is not None and not weight.any():
        where = "wherever the mask lets it count" if job.mask else "all over"
        raise UserError(f"{job.target} is transparent {where}: nothing is left to be shown")
    return target, weight


def load_importance(job: Job, target: Tensor, weight: Tensor | None) -> Tensor | None:
    """How much errors weigh [H, W]: from 1 to IMPORTANCE, over their mean where the target counts. None = all alike."""
    return weighed(load_grey(Path(job.importance), *target.shape[1:]), weight) if job.importance else None


def weighed(grey: Tensor, weight: Tensor | None) -> Tensor:
    """How much errors weigh [H, W], of an importance picture's brightness [H, W]: see load_importance."""
    importance = 1.0 + (IMPORTANCE - 1.0) * grey
    counts = torch.ones_like(importance) if weight is None or not weight.any() else weight
    mean = (importance.double() * counts).sum() / counts.double().sum()
    return importance / mean.float()


def judge(
    result: FitResult,
    target: Tensor,  # [3, H, W]
    weight: Tensor | None,  # [H, W]
    templates: Templates,
    settings: Settings,
    control: Control,
) -> tuple[Tensor, dict[str, Any]]:
    """The layout's picture and its numbers; those that take long are None after a cancel, a late one too.

    target and weight are as load_pictures gives them. The picture is [3, H, W], or straight [4, H, W] where the canvas
    is transparent; the numbers are those of what the background makes of it.
    """
    layout = result.layout
    if settings.transparent and weight is not None:
        target = composited(target, weight, torch.tensor(settings.background), settings.space)
    render = render_layout(layout, templates, engine=settings.engine, threads=settings.threads)[:3]
    metrics: dict[str, Any] = {"psnr": psnr(render, target, weight), "ssim": None, "psnr_aa": None, "ssim_aa": None}
    smooth = None if control.cancelled else supersampled(layout, templates, settings, control)
    if smooth is not None:
        metrics["ssim"] = ssim(render, target, weight)
        metrics["psnr_aa"], metrics["ssim_aa"] = psnr(smooth, target, weight), ssim(smooth, target, weight)
    if layout.transparent:
        render = render_layout(layout, templates, transparent=True, engine=settings.engine, threads=settings.threads)
    return render, {**metrics, "iterations": result.steps, "count": layout.count}


def supersampled(layout: Layout, templates: Templates, settings: Settings, control: Control) -> Tensor | None:
    """The layout's `aa` picture [3, H, W], 3 x 3 samples a pixel; in strips, to bound memory. None after a cancel."""
    options = {"engine": settings.engine, "threads": settings.threads}
    strips = []
    for strip in render_strips(layout, templates, supersample=3, pixels=STRIP_PIXELS, **options):  # type: ignore[arg-type]
        if control.cancelled:
            return None
        strips.append(strip[:3])
    return torch.cat(strips, 1)


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


def small(picture: Tensor) -> Tensor:
    """A picture [3, H, W] or straight [4, H, W], no larger than a preview."""
    if len(picture) == 3:
        return shrunk(picture)
    premultiplied = shrunk(torch.cat([picture[:3] * picture[3:], picture[3:]]))
    return torch.cat([premultiplied[:3] / premultiplied[3:].clamp_min(1e-6), premultiplied[3:]])


def shrunk(image: Tensor) -> Tensor:
    """An image [C, H, W], no larger than a preview."""
    height, width = image.shape[1:]
    factor = PREVIEW_SIZE / max(height, width)
    if factor >= 1.0:
        return image
    return interpolate(image[None], (max(1, round(height * factor)), max(1, round(width * factor))), mode="area")[0]
