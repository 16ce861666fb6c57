"""The picture of a result and its metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..control import Control
from ..fitting.loop import FitResult
from ..job import Layout, Settings
from ..layouts.rendering import render_layout, render_strips
from ..metrics.picture import RADIUS, Comparison, decibels
from ..native.arrays import FloatArray
from ..templates import Templates
from .inputs import over_background

LARGE = 4096
"""Longest side, px, of a canvas whose anti-aliased picture is judged whole, unless the settings ask for more."""

_SAMPLE, _SAMPLES = 32, 16
"""Rows of windows in a strip of a larger one, and how many such strips there are."""

_LEAST_STRIP, _STRIP, _STRIPS = 2**19, 2**22, 16
"""Samples of a strip of the smooth picture, and how many strips it has in between.

Small strips stay in the processor's cache; each costs a look at all primitives.
"""


def judge(
    result: FitResult,
    target: FloatArray,  # [3, H, W]
    weight: FloatArray | None,  # [H, W]
    templates: Templates,
    settings: Settings,
    control: Control,
) -> tuple[FloatArray, dict[str, Any]]:
    """Returns the layout's picture and its metrics; the slow ones are None after a cancel.

    target and weight are as load_pictures gives them. The picture is [3, H, W], or straight [4, H, W] where the canvas
    is transparent; the metrics are those of the picture over the background. The anti-aliased ones of a canvas above
    LARGE are estimated, which `estimated` tells, unless the settings are exact.
    """
    layout = result.layout
    options: dict[str, Any] = {"engine": settings.engine, "threads": settings.threads}
    target = over_background(target, weight, settings)
    render = render_layout(layout, templates, **options)[:3]
    plain = Comparison(target, weight, windows=not control.cancelled)
    plain.add(render)
    metrics: dict[str, Any] = {"psnr": decibels(plain.error()), "ssim": None, "psnr_aa": None, "ssim_aa": None}
    smooth = Comparison(target, weight)
    estimated = not settings.exact and max(layout.width, layout.height) > LARGE
    if not control.cancelled and add_smooth(smooth, layout, templates, settings, control, whole=not estimated):
        metrics["ssim"] = plain.similarity()
        metrics["psnr_aa"], metrics["ssim_aa"] = _estimate(plain, smooth)
        metrics |= {"estimated": True} if estimated else {}
    if layout.transparent:
        render = render_layout(layout, templates, transparent=True, **options)
    return render, {**metrics, "iterations": result.steps, "count": layout.count}


def add_smooth(
    comparison: Comparison,
    layout: Layout,
    templates: Templates,
    settings: Settings,
    control: Control,
    *,
    whole: bool = True,
) -> bool:
    """Adds the layout's picture with 3 x 3 samples a pixel, or a sample of its strips. Returns False after a cancel."""
    samples = min(max(_LEAST_STRIP, 9 * layout.width * layout.height // _STRIPS), _STRIP)
    for begin, end in [(0, layout.height)] if whole else _sample(layout.height):
        part = replace(layout, y=layout.y - begin, height=end - begin)
        top = begin
        for strip in render_strips(
            part, templates, supersample=3, samples=samples, engine=settings.engine, threads=settings.threads
        ):
            if control.cancelled:
                return False
            comparison.add(strip[:3], top)
            top += strip.shape[1]
    return True


def _sample(height: int) -> Iterator[tuple[int, int]]:
    """Yields the first row and the last one, exclusive, of strips that are spread evenly over a picture."""
    rows = _SAMPLE + 2 * RADIUS
    count = min(_SAMPLES, height // rows) or 1
    for number in range(count):
        # Each in the middle of its share of the picture.
        middle = (2 * number + 1) * height // (2 * count)
        begin = max(0, min(middle - rows // 2, height - rows))
        yield begin, min(begin + rows, height)


def _estimate(plain: Comparison, smooth: Comparison) -> tuple[float, float]:
    """Returns PSNR and SSIM of the smooth picture; where it is a sample, by what distinguishes it from the plain one.

    The plain picture is known as a whole, and both have much the same errors: so few strips tell the difference.
    """
    if smooth.rows.all():
        return decibels(smooth.error()), smooth.similarity()
    factor = smooth.error() / (plain.error(smooth.rows) or math.inf)
    difference = smooth.similarity() - plain.similarity(smooth.windows)
    if math.isnan(factor) or math.isnan(difference):  # nothing counts in the sample
        return decibels(plain.error()), plain.similarity()
    return decibels(plain.error() * factor), plain.similarity() + difference
