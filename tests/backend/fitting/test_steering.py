"""What an artist asks for holds in the finished layout: limits, palettes, usage, spacing, order, locks, importance."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backend.fitting import fit
from backend.fitting.loop import FitResult
from backend.job import Limits, Settings, UserError
from backend.job.layout import Layout
from backend.layouts.rendering import render_layout
from backend.native.arrays import FloatArray
from backend.templates import Template, Templates

SETTINGS = Settings(count=60, iterations=24, seed=1, threads=1, preview_seconds=0)


def disc(size: int = 32, **options: Any) -> Template:
    y, x = (np.mgrid[:size, :size] + 0.5) / size * 2 - 1
    alpha = np.clip((0.95 - np.hypot(x, y)) * size / 2, 0, 1)
    rgba = np.dstack([*[np.full((size, size), c) for c in (40, 90, 200)], np.rint(alpha * 255)]).astype(np.uint8)
    return Template("disc", rgba, **options)


def bar(**options: Any) -> Template:
    return Template("bar", np.full((8, 32, 4), 255, np.uint8), **options)


def picture(height: int = 48, width: int = 64) -> FloatArray:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    image = np.stack([0.2 + 0.1 * x, 0.3 + 0.2 * y, 0.6 + 0.2 * x]).astype(np.float32)
    image[:, (x + 0.2) ** 2 + (y - 0.1) ** 2 < 0.2] = np.array([0.8, 0.2, 0.1])[:, None]
    image[:, (x > 0.4) & (y < -0.3)] = 0.05
    return image


def made(limits: Limits | None = None, **settings: Any) -> FitResult:
    limits = limits or Limits()
    stamps = Templates([disc(limits=limits), bar(limits=limits)])
    return fit(picture(), stamps, replace(SETTINGS, **settings))


def same(one: Layout, other: Layout) -> bool:
    names = ("x", "y", "scale", "aspect", "rotation", "opacity", "color", "template", "mirror", "level")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_limits_hold_exactly() -> None:
    limits = Limits(stretch=2.0, size_range=(0.1, 0.25), rotation_range=(-0.2, 0.1), opacity_range=(0.5, 0.8))
    layout = made(limits).layout
    assert (layout.scale >= np.float32(3.2)).all()
    assert (layout.scale <= np.float32(8.0)).all()
    assert (layout.rotation >= np.float32(-0.2)).all()
    assert (layout.rotation <= np.float32(0.1)).all()
    assert (layout.opacity >= np.float32(0.5)).all()
    assert (layout.opacity <= np.float32(0.8)).all()
    assert (layout.aspect >= np.float32(0.5)).all()
    assert (layout.aspect <= np.float32(2.0)).all()
    assert np.ptp(layout.aspect) > 0.5
    assert all(spec.limits == limits for spec in layout.templates)


def test_without_stretch_stamps_keep_their_shape() -> None:
    assert (made().layout.aspect == 1.0).all()


def test_opaque_only() -> None:
    assert (made(Limits(opacity_range=(1.0, 1.0))).layout.opacity == 1.0).all()


def test_only_those_that_may_are_mirrored() -> None:
    stamps = Templates([disc(limits=Limits(mirror=True)), bar()])
    layout = fit(picture(), stamps, SETTINGS).layout
    assert layout.mirror[layout.template == 0].any()
    assert not layout.mirror[layout.template == 1].any()


@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("mode", ["tint", "multiply"])
def test_a_palette_holds(space: str, mode: str) -> None:
    palette = [(0.0, 0.0, 0.0), (0.8, 0.2, 0.1), (0.2, 0.3, 0.6)]
    stamps = Templates([disc(mode=mode, blend=0.5)])
    layout = fit(picture(), stamps, replace(SETTINGS, palette=palette, space=space)).layout
    allowed = np.array(palette, np.float32).tolist()
    assert all(color in allowed for color in layout.color[0].tolist())


def test_a_palette_from_the_target() -> None:
    colors = made(palette_size=4).layout.color[0]
    assert 2 <= len(np.unique(colors, axis=0)) <= 4


def test_shares_hold() -> None:
    stamps = Templates([disc(limits=Limits(share=3.0)), bar(limits=Limits(share=1.0))])
    layout = fit(picture(), stamps, replace(SETTINGS, usage="shares")).layout
    assert np.bincount(layout.template).tolist() == [45, 15]


def test_no_stamp_is_used_more_often_than_it_may() -> None:
    stamps = Templates([disc(limits=Limits(most=7)), bar()])
    layout = fit(picture(), stamps, SETTINGS).layout
    assert np.bincount(layout.template)[0] <= 7
    with pytest.raises(UserError, match="make 14"):
        made(Limits(most=7))


def test_spacing_holds() -> None:
    layout = made(spacing=0.08).layout
    place = np.stack([layout.x[0], layout.y[0]], 1).astype(np.float64)
    distance = np.hypot(*(place[:, None] - place).transpose(2, 0, 1))
    np.fill_diagonal(distance, math.inf)
    assert distance.min() >= 0.08 * 64 - 1e-3


@pytest.mark.parametrize(("order", "sign"), [("small_front", 1), ("large_front", -1)])
def test_order_holds(order: str, sign: int) -> None:
    assert (sign * np.diff(made(order=order).layout.scale[0]) >= 0).all()


@pytest.mark.parametrize(
    ("name", "columns"), [("position", ("x", "y")), ("rotation", ("rotation",)), ("color", ("color",))]
)
def test_locked_parameters_stay(name: str, columns: tuple[str, ...]) -> None:
    start = made().layout
    stamps = Templates([disc(), bar()])
    layout = fit(picture(), stamps, replace(SETTINGS, locked=[name], iterations=40), start=start).layout
    assert all(np.array_equal(getattr(layout, c), getattr(start, c)) for c in columns)
    assert not np.array_equal(layout.scale, start.scale)


def test_importance_matters_where_it_is_painted() -> None:
    stamps = Templates([disc()])
    rows, columns = np.mgrid[:48, :64]
    checks = np.stack([(rows // 8 + columns // 8) % 2] * 3).astype(np.float32)
    importance = np.ones((48, 64), np.float32)
    importance[:, :32] = 8.0

    def error(painted: FloatArray | None, seed: int) -> float:
        result = fit(checks, stamps, replace(SETTINGS, count=30, iterations=40, seed=seed), importance=painted)
        shown = render_layout(result.layout, stamps)[:3]
        return float(np.square(shown - checks)[:, :, :32].mean())

    plain, painted = (sum(error(plane, seed) for seed in range(3)) for plane in (None, importance))
    assert painted < 0.8 * plain


def test_a_time_limit_hurries_the_whole_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    # By this clock it is over when it was read a hundred times, however slow the machine is.
    ticks = itertools.count()
    monkeypatch.setattr("backend.fitting.clock.time", SimpleNamespace(perf_counter=lambda: 0.005 * next(ticks)))
    result = made(iterations=100_000, time_limit=0.5)
    assert 20 < result.steps < 100
    assert result.psnr > 20


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"space": "linear", "palette_size": 5},
        {"usage": "shares", "spacing": 0.05, "order": "small_front"},
        {"losses": {"mse": 1.0, "ssim": 0.1, "overlap": 0.01}},
        {"recipe": "paper"},
    ],
)
def test_same_bits_for_any_number_of_threads(options: dict[str, Any]) -> None:
    limits = Limits() if "recipe" in options else Limits(stretch=3.0, mirror=True)
    one, other = (made(limits, threads=threads, iterations=12, **options).layout for threads in (1, 3))
    assert same(one, other)


def test_the_reference_engine_relocates_too() -> None:
    results = [made(engine=engine, count=15, iterations=8) for engine in ("cpu", "reference")]
    assert results[0].loss == pytest.approx(results[1].loss, rel=0.02)


def test_the_published_recipe_says_what_it_cannot_do() -> None:
    with pytest.raises(UserError, match="paper does not support palette_size, limits"):
        made(Limits(stretch=2.0), recipe="paper", palette_size=3)
