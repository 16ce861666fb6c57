"""The fit as a whole, small: 48 px, some dozens of primitives."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.control import Control
from backend.engines.interface import Noise
from backend.engines.native import noise_plane
from backend.fitting import fit
from backend.fitting.loop import FitResult
from backend.fitting.noise import NoiseCanvas, noise_key
from backend.fitting.reporter import Snapshot
from backend.job import Settings, UserError
from backend.job.layout import Layout
from backend.layouts.rendering import render_layout
from backend.native.arrays import FloatArray
from backend.templates import Template, Templates
from tests.backend.support.pictures import disc, picture

SETTINGS = Settings(count=60, iterations=30, seed=1, threads=1, preview_seconds=0)


def bar() -> Template:
    return Template("bar", np.full((8, 32, 4), 255, np.uint8))


def psnr(image: FloatArray, target: FloatArray) -> float:
    return -10 * math.log10(float(((image[:3] - target) ** 2).mean()))


def shown(result: FitResult, templates: Templates, background: tuple[float, float, float]) -> FloatArray:
    return render_layout(replace(result.layout, background=background), templates)


def same(one: Layout, other: Layout) -> bool:
    names = ("x", "y", "scale", "aspect", "rotation", "opacity", "color", "template", "level")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_it_looks_like_the_target() -> None:
    templates, losses = Templates([disc(), bar()]), []
    result = fit(picture(), templates, SETTINGS, observer=lambda s: losses.append(s.loss))
    assert losses[-1] < 0.25 * losses[0]
    assert result.psnr > 25
    assert result.psnr == pytest.approx(psnr(render_layout(result.layout, templates), picture()), abs=0.01)
    assert (result.steps, result.cancelled) == (SETTINGS.iterations, False)
    assert set(result.layout.template.tolist()) == {0, 1}
    assert [spec.name for spec in result.layout.templates] == ["disc", "bar"]


def test_the_canvas_does_not_matter() -> None:
    templates = Templates([disc()])
    result = fit(picture(), templates, replace(SETTINGS, count=150, iterations=60))
    on_white, on_black = (psnr(shown(result, templates, (v, v, v)), picture()) for v in (1.0, 0.0))
    assert abs(on_white - on_black) < 0.2


@pytest.mark.parametrize("space", ["display", "linear"])
def test_reproducible_for_any_number_of_threads(space: str) -> None:
    settings = replace(SETTINGS, space=space, iterations=12)
    results = [fit(picture(), Templates([disc()]), replace(settings, threads=number)) for number in (1, 1, 2, 5)]
    assert all(same(results[0].layout, other.layout) for other in results[1:])
    other_seed = fit(picture(), Templates([disc()]), replace(settings, seed=2))
    assert not same(results[0].layout, other_seed.layout)


def test_linear_light() -> None:
    templates, lost = Templates([disc()]), []
    for seed in range(1, 5):
        result = fit(picture(), templates, replace(SETTINGS, space="linear", seed=seed))
        assert result.layout.space == "linear"
        own, other = (
            psnr(render_layout(replace(result.layout, space=space), templates), picture())
            for space in ("linear", "display")
        )
        assert own > 25  # observed 28.7 to 30.0 over 8 seeds, with SSE4 and AVX2
        lost.append(own - other)
    # The layout belongs to its space: composited in the other one it is a worse picture. Observed 0.19 to 1.39 by seed
    # and instruction set, and 0.71 to 0.75 in the mean of these.
    assert sum(lost) / len(lost) > 0.3


@pytest.mark.parametrize("mode", ["mix", "multiply"])
def test_colored_stamps(mode: str) -> None:
    templates = Templates([disc(mode=mode, blend=0.4, color=(200, 180, 60)), disc()])
    result = fit(picture(), templates, SETTINGS)
    assert result.psnr > 24
    assert result.layout.templates[0].mode == mode


def test_reference_engine_agrees() -> None:
    settings = replace(SETTINGS, count=12, iterations=4)
    cpu, reference = (fit(picture(), Templates([disc()]), replace(settings, engine=e)) for e in ("cpu", "reference"))
    assert cpu.loss == pytest.approx(reference.loss, rel=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (17, 40)])
@pytest.mark.parametrize("count", [1, 20])
def test_tiny_canvases_and_counts(size: tuple[int, int], count: int) -> None:
    result = fit(picture(*size), Templates([disc()]), replace(SETTINGS, count=count, iterations=5))
    assert result.layout.count == count
    assert (result.layout.height, result.layout.width) == size
    assert np.isfinite(result.psnr)
    assert np.isfinite(result.layout.x).all()


def test_flat_target() -> None:
    result = fit(np.full((3, 32, 32), 0.5, np.float32), Templates([disc()]), SETTINGS)
    assert result.psnr > 30


def test_cancel_keeps_the_best_so_far() -> None:
    control, losses = Control(), []

    def watch(snapshot: Snapshot) -> None:
        losses.append(snapshot.loss)
        if snapshot.step == 7:
            control.cancel()

    result = fit(picture(), Templates([disc()]), SETTINGS, observer=watch, control=control)
    assert result.cancelled
    assert result.steps == 7
    assert len(losses) == 8
    assert result.loss == min(losses)
    assert result.psnr > 15


def test_cancelled_before_it_began() -> None:
    control = Control()
    control.cancel()
    result = fit(picture(), Templates([disc()]), SETTINGS, control=control)
    assert result.cancelled
    assert result.steps == 0
    assert result.layout.count == SETTINGS.count


def test_pause_holds_and_changes_nothing() -> None:
    control, steps = Control(), []

    def watch(snapshot: Snapshot) -> None:
        steps.append(snapshot.step)
        if snapshot.step == 5:
            control.pause()
            threading.Timer(0.3, control.resume).start()

    result = fit(picture(), Templates([disc()]), SETTINGS, observer=watch, control=control)
    assert steps == list(range(SETTINGS.iterations + 1))
    assert same(result.layout, fit(picture(), Templates([disc()]), SETTINGS).layout)


def test_a_pause_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    control, times = Control(), iter((5.0, 1005.0))

    def read_clock() -> float:
        control.resume()
        return next(times)

    assert control.wait() == 0.0
    with monkeypatch.context() as patch:
        patch.setattr("backend.control.time", SimpleNamespace(perf_counter=read_clock))
        control.pause()
        assert control.wait() == 1000.0
    pauses = iter((1000.0,))
    monkeypatch.setattr(control, "wait", lambda: next(pauses, 0.0))
    result = fit(picture(), Templates([disc()]), SETTINGS, control=control)
    # The pause took no time in truth: it is missing.
    assert -1000.0 < result.seconds < -500.0


def test_cancel_ends_a_pause() -> None:
    control = Control()
    control.pause()
    threading.Timer(0.2, control.cancel).start()
    result = fit(picture(), Templates([disc()]), SETTINGS, control=control)
    assert result.cancelled
    assert result.steps == 0


def test_previews_show_the_best_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # As often as possible, whatever they take.
    monkeypatch.setattr("backend.fitting.reporter.SHARE", 1.0)
    templates, previews = Templates([disc()]), []

    def watch(snapshot: Snapshot) -> None:
        assert snapshot.total == SETTINGS.iterations
        assert snapshot.seconds_left >= 0
        if snapshot.image is not None:
            previews.append(snapshot)

    result = fit(picture(), templates, replace(SETTINGS, preview_seconds=1e-9), observer=watch)
    assert len(previews) == SETTINGS.iterations + 1
    last = previews[-1]
    assert last.image is not None
    assert last.layout is not None
    assert last.image.shape == picture().shape
    assert np.allclose(last.image, render_layout(last.layout, templates)[:3], atol=1e-5)
    assert last.psnr == pytest.approx(psnr(last.image, picture()), abs=0.01)
    assert same(result.layout, fit(picture(), templates, SETTINGS).layout)


def test_continues_from_a_layout() -> None:
    templates = Templates([disc()])
    first = fit(picture(), templates, SETTINGS)
    second = fit(picture(), templates, replace(SETTINGS, count=999), start=first.layout)
    assert second.layout.count == SETTINGS.count
    assert second.loss < first.loss
    assert second.psnr > first.psnr
    once = fit(picture(), templates, replace(SETTINGS, iterations=1), start=first.layout)
    assert once.psnr > first.psnr - 0.1


def test_continues_on_a_larger_canvas() -> None:
    templates = Templates([disc()])
    first = fit(picture(), templates, SETTINGS)
    control = Control()
    control.cancel()
    second = fit(picture(96, 96), templates, SETTINGS, start=first.layout, control=control)
    assert np.allclose(second.layout.scale, 2 * first.layout.scale, rtol=1e-4)
    assert second.psnr > 25


def test_locked_primitives_stay() -> None:
    templates = Templates([disc()])
    start = fit(picture(), templates, replace(SETTINGS, iterations=5)).layout
    start.locked[:20] = True
    start.opacity[0, 0], start.x[0, 1] = 1.0, 300.0
    start.mirror[3], start.region[4] = True, 7
    result = fit(picture(), templates, SETTINGS, start=start).layout
    for name in ("x", "y", "scale", "aspect", "rotation", "opacity", "color"):
        assert np.array_equal(getattr(result, name)[:, :20], getattr(start, name)[:, :20]), name
    assert (result.x[:, 20:] != start.x[:, 20:]).all()
    for name in ("locked", "mirror", "region", "template"):
        assert np.array_equal(getattr(result, name), getattr(start, name)), name


def test_locked_primitives_stay_among_added_ones_that_are_sorted() -> None:
    """Those that come are sorted in behind locked ones, and leave there for places in front."""
    templates = Templates([disc()])
    start = fit(picture(), templates, replace(SETTINGS, count=40, iterations=5)).layout
    start.locked[10:20] = True
    settings = replace(SETTINGS, order="small_front", added=40)
    result = fit(picture(), templates, settings, start=start).layout
    assert result.locked.sum() == 10
    for name in ("x", "y", "scale", "aspect", "rotation", "opacity", "color"):
        assert np.array_equal(getattr(result, name)[:, result.locked], getattr(start, name)[:, start.locked]), name


def test_weight_keeps_stamps_out() -> None:
    weight = np.zeros((48, 48), np.float32)
    weight[8:40, 8:40] = 1.0
    templates = Templates([disc()])
    result = fit(picture(), templates, SETTINGS, weight=weight)
    alpha = render_layout(result.layout, templates, transparent=True)[3]
    assert alpha[10:38, 10:38].mean() > 0.97
    assert alpha[weight == 0].mean() < 0.05
    image = render_layout(result.layout, templates)[:3]
    assert psnr(image[:, 10:38, 10:38], picture()[:, 10:38, 10:38]) > 24


@pytest.mark.parametrize("space", ["display", "linear"])
def test_a_loss_of_ones_own(space: str) -> None:
    wanted = np.array([0.9, 0.6, 0.2], np.float32)[:, None, None]

    def yellow(image: Tensor) -> Tensor:
        assert image.shape == (3, 48, 48)
        return (image - torch.from_numpy(wanted)).abs().mean()

    templates = Templates([disc()])
    result = fit(picture(), templates, replace(SETTINGS, space=space), loss=yellow)
    image = render_layout(result.layout, templates)[:3]
    assert float(np.abs(image - wanted).mean()) < 0.05


def sum_without_graph(image: Tensor) -> Tensor:
    return image.detach().sum()


@pytest.mark.parametrize("loss", [lambda image: image, lambda image: image.sum() * float("nan"), sum_without_graph])
def test_a_useless_loss_is_refused(loss: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(UserError, match="loss function"):
        fit(picture(), Templates([disc()]), SETTINGS, loss=loss)


def test_mismatched_input_is_refused() -> None:
    templates = Templates([disc()])
    with pytest.raises(UserError, match=r"\(48, 48\)"):
        fit(np.zeros((48, 48)), templates, SETTINGS)
    with pytest.raises(UserError, match="20 x 10 px"):
        fit(picture(), templates, SETTINGS, weight=np.ones((10, 20)))
    with pytest.raises(UserError, match="black everywhere"):
        fit(picture(), templates, SETTINGS, weight=np.zeros((48, 48)))
    for broken in (np.nan, np.inf):
        target = picture()
        target[:, 3] = broken
        with pytest.raises(UserError, match="The target has values that are not finite"):
            fit(target, templates, SETTINGS)
        with pytest.raises(UserError, match="The mask has values that are less than 0 or not finite"):
            fit(picture(), templates, SETTINGS, weight=np.full((48, 48), broken))
    start = fit(picture(), Templates([disc(), bar()]), replace(SETTINGS, iterations=1)).layout
    with pytest.raises(UserError, match="2 stamps"):
        fit(picture(), templates, SETTINGS, start=start)


def test_tensors_on_the_cpu_are_taken_too() -> None:
    templates, settings, weight = Templates([disc()]), replace(SETTINGS, iterations=4), np.ones((48, 48), np.float32)
    expected = fit(picture(), templates, settings, weight=weight).layout
    given = torch.from_numpy(picture()), torch.from_numpy(weight)
    assert same(fit(given[0], templates, settings, weight=given[1]).layout, expected)
    # Of any real type: these numbers are the same in halves.
    halves = np.full((3, 48, 48), 0.5, np.float16)
    assert same(fit(halves, templates, settings).layout, fit(halves.astype(np.float32), templates, settings).layout)


def test_a_default_fit_needs_neither_pytorch_nor_pillow() -> None:
    program = """
import sys
import numpy as np
from backend.fitting import fit
from backend.job import Settings
from backend.templates import Template, Templates

target = np.linspace(0, 1, 3 * 24 * 30, dtype=np.float32).reshape(3, 24, 30)
stamps = Templates([Template("block", np.full((8, 8, 4), 255, np.uint8))])
for options in ({}, {"space": "linear", "palette_size": 3}, {"losses": {"l1": 1.0}, "spacing": 0.05}):
    settings = Settings(count=10, iterations=8, engine="cpu", threads=1, preview_seconds=1e-9, **options)
    fit(target, stamps, settings, weight=np.ones((24, 30)), observer=lambda snapshot: None)
print([name for name in ("torch", "PIL", "av", "cv2") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100)
    assert run.stdout == "[]\n"


def test_noise_is_new_every_time_and_depends_on_the_number_alone() -> None:
    noise = NoiseCanvas(0)
    planes = [noise_plane(noise.draw(), 20, 30) for _ in range(400)]
    assert planes[0].shape == (3, 20, 30)
    assert not np.array_equal(planes[0], planes[1])
    assert np.abs(np.mean(planes, 0) - 0.5).max() < 0.1
    assert np.array_equal(noise_plane(Noise(noise_key(0, 5), 1.0), 20, 30), planes[5])
    assert not np.array_equal(noise_plane(NoiseCanvas(1).draw(), 20, 30), planes[0])
    keys = [noise_key(seed, number) for seed, number in ((0, 0), (7, 3), (-1, 2**40))]
    assert keys == [3170179127, 1494380929, 1196635740]
