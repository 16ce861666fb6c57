"""The picture of a result and its metrics."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..control import Control
from ..engines.interface import STRIP_SAMPLES
from ..fitting.loop import FitResult
from ..job import Layout, Settings
from ..metrics.picture import psnr, ssim
from ..rendering import render_layout, render_strips
from ..templates import Templates
from .inputs import over_background


def judge(
    result: FitResult,
    target: Tensor,  # [3, H, W]
    weight: Tensor | None,  # [H, W]
    templates: Templates,
    settings: Settings,
    control: Control,
) -> tuple[Tensor, dict[str, Any]]:
    """Returns the layout's picture and its metrics; the slow ones are None after a cancel.

    target and weight are as load_pictures gives them. The picture is [3, H, W], or straight [4, H, W] where the canvas
    is transparent; the metrics are those of the picture over the background.
    """
    layout = result.layout
    target = over_background(target, weight, settings)
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
    """Renders the layout with 3 x 3 samples a pixel [3, H, W], in strips to save memory. None after a cancel."""
    options = {"engine": settings.engine, "threads": settings.threads}
    strips = []
    for strip in render_strips(layout, templates, supersample=3, samples=STRIP_SAMPLES, **options):  # type: ignore[arg-type]
        if control.cancelled:
            return None
        strips.append(strip[:3])
    return torch.cat(strips, 1)
