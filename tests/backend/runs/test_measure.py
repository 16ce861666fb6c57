"""The judgement of results: exact on small canvases, from a sample of strips on large ones."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from backend.control import Control
from backend.fitting.loop import FitResult
from backend.job import Layout, Settings
from backend.layouts.rendering import render_layout
from backend.metrics.picture import psnr, ssim
from backend.native.arrays import FloatArray
from backend.runs import measure
from backend.runs.measure import judge
from backend.templates import Templates

from ..support.layers import make_layout

SETTINGS = Settings(threads=1)


def case(width: int, height: int) -> tuple[FitResult, Templates, FloatArray]:
    """A layout, and a target that is much like its picture."""
    layout, templates = make_layout(120, width, height)
    result = FitResult(layout, 0.1, 20.0, 7, cancelled=False, seconds=1.0)
    target = render_layout(replace(layout, x=layout.x + 0.4, opacity=0.9 * layout.opacity), templates)[:3]
    return result, templates, np.ascontiguousarray(target)


def smooth_picture(layout: Layout, templates: Templates) -> FloatArray:
    return np.ascontiguousarray(render_layout(layout, templates, supersample=3)[:3])


@pytest.mark.parametrize("weighted", [False, True])
def test_the_smooth_picture_is_judged_strip_by_strip(monkeypatch: pytest.MonkeyPatch, weighted: bool) -> None:
    result, templates, target = case(96, 64)
    weight = np.linspace(0, 1, 64 * 96, dtype=np.float32).reshape(64, 96) if weighted else None
    monkeypatch.setattr(measure, "_STRIP", 9 * 96 * 7)  # seven rows
    render, metrics = judge(result, target, weight, templates, SETTINGS, Control())
    smooth = smooth_picture(result.layout, templates)
    assert metrics["psnr"] == pytest.approx(psnr(render, target, weight))
    assert metrics["ssim"] == pytest.approx(ssim(render, target, weight))
    assert metrics["psnr_aa"] == pytest.approx(psnr(smooth, target, weight), abs=1e-4)
    assert metrics["ssim_aa"] == pytest.approx(ssim(smooth, target, weight), abs=1e-6)
    assert (metrics["iterations"], metrics["count"]) == (7, 120)
    assert "estimated" not in metrics


def test_a_large_canvas_is_estimated_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    result, templates, target = case(300, 1000)
    monkeypatch.setattr(measure, "LARGE", 512)
    rows = []
    render = measure.render_strips

    def counted(layout: Layout, *rest: object, **options: object) -> object:
        rows.append(layout.height)
        return render(layout, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(measure, "render_strips", counted)
    _, estimate = judge(result, target, None, templates, SETTINGS, Control())
    assert estimate["estimated"] is True
    assert sum(rows) < 700
    rows.clear()
    _, whole = judge(result, target, None, templates, replace(SETTINGS, exact=True), Control())
    assert rows == [1000]
    assert "estimated" not in whole
    assert estimate["psnr"] == whole["psnr"]
    assert estimate["psnr_aa"] == pytest.approx(whole["psnr_aa"], abs=0.1)
    assert estimate["ssim_aa"] == pytest.approx(whole["ssim_aa"], abs=0.005)


@pytest.mark.parametrize("height", [1, 5, 42, 100, 4097, 16_384])
def test_samples_lie_evenly_within_the_canvas(height: int) -> None:
    strips = list(measure._sample(height))
    assert strips == sorted(strips)
    assert all(0 <= begin < end <= height for begin, end in strips)
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(strips))
    if height > 4096:
        assert len(strips) == 16
        assert all(end - begin == 42 for begin, end in strips)


def test_a_sample_in_which_nothing_counts_tells_the_plain_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    result, templates, target = case(300, 1000)
    monkeypatch.setattr(measure, "LARGE", 512)
    weight = np.zeros((1000, 300), np.float32)
    unseen = next(iter(sorted(set(range(1000)) - {y for b, e in measure._sample(1000) for y in range(b, e)})))
    weight[unseen, 20:200] = 1.0
    _, metrics = judge(result, target, weight, templates, SETTINGS, Control())
    assert metrics["psnr_aa"] == metrics["psnr"]
    assert metrics["ssim_aa"] == metrics["ssim"]


def test_a_cancelled_run_is_judged_by_its_picture_alone() -> None:
    result, templates, target = case(96, 64)
    control = Control()
    control.cancel()
    render, metrics = judge(result, target, None, templates, SETTINGS, control)
    assert metrics["psnr"] == pytest.approx(psnr(render, target))
    assert (metrics["ssim"], metrics["psnr_aa"], metrics["ssim_aa"]) == (None, None, None)
