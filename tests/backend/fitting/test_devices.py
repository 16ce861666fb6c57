"""A fit on another device than the CPU: nothing is left behind, little is waited for, and the result is the same.

The device is one that only claims to be another (far_device.py), so what is computed is the same to the bit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from backend.engines.transfer import fetched, moved
from torch import Tensor

from backend.engines import make_rasterizer
from backend.engines.cuda.rasterizer import CudaRasterizer
from backend.engines.interface import Rasterizer
from backend.fitting.loop import FitResult
from backend.fitting.recipe import DEFAULT
from backend.fitting.record import READ_EVERY
from backend.fitting.reporter import Snapshot
from backend.job import UserError
from backend.metrics.picture import psnr, ssim
from backend.rendering import render, render_layout
from backend.templates import Templates
from tests.backend.emulation.gpu import EmulatedGpu
from tests.backend.support.far_device import FAR, FarDevice, FarRasterizer
from tests.backend.support.fit_cases import CASES, SETTINGS, FitCase, digest, picture, run_case, stamps
from tests.backend.support.torch_iteration import FailingRasterizer, IteratingRasterizer

CPU = torch.device("cpu")
Engines = Callable[[Callable[..., Rasterizer]], None]


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    """Makes a function the maker of a fit's engines."""

    def use(make: Callable[..., Rasterizer]) -> None:
        for module in ("backend.fitting.default.descent", "backend.fitting.paper.descent"):
            monkeypatch.setattr(f"{module}.make_rasterizer", make)

    return use


def iterating(engine: str, *arguments: Any, **options: Any) -> Rasterizer:
    return IteratingRasterizer(*arguments, **options)


def far(*arguments: Any, **options: Any) -> Rasterizer:
    return FarRasterizer(make_rasterizer(*arguments, **options))


def far_iterating(*arguments: Any, **options: Any) -> Rasterizer:
    return FarRasterizer(iterating(*arguments, **options))


# Those whose steps an engine may make.
FUSED = [name for name, case in CASES.items() if set(case.settings.get("losses", {})) <= {"l1"} and not case.loss]
FUSED = [name for name in FUSED if not name.startswith("paper")]


@pytest.mark.parametrize("name", CASES)
def test_a_fit_on_another_device_is_the_same(name: str, engines: Engines) -> None:
    expected = digest(run_case(CASES[name]))
    engines(far)
    with FarDevice():
        assert digest(run_case(CASES[name])) == expected


@pytest.mark.parametrize("name", FUSED)
def test_a_fit_by_whole_steps_of_an_engine_is_the_same(name: str, engines: Engines) -> None:
    expected = digest(run_case(CASES[name]))
    engines(far_iterating)
    with FarDevice():
        assert digest(run_case(CASES[name])) == expected


def waits_of_steps(case: FitCase, iterations: int = 24) -> list[int]:
    """How many times each step waited for the device."""
    seen: list[int] = []
    with FarDevice() as device:
        run_case(case, observer=lambda _: seen.append(len(device.waits)), iterations=iterations)
    return [after - before for before, after in itertools.pairwise(seen)]


@pytest.mark.parametrize("name", ["linear", "palette", "mask", "l1", "order"])
@pytest.mark.parametrize("make", [far, far_iterating])
def test_a_fit_waits_once_a_relocation_and_for_losses_now_and_then(
    make: Callable[..., Rasterizer], name: str, engines: Engines
) -> None:
    engines(make)
    for step, waits in enumerate(waits_of_steps(CASES[name])):
        relocates = (step + 1) % DEFAULT.relocate_every == 0 and step / 24 < DEFAULT.relocate_until
        assert waits == relocates + ((step + 1) % READ_EVERY == 0)


@pytest.mark.parametrize("name", ["ssim", "image losses", "alpha", "regularizers", "a loss of one's own", "paper"])
def test_losses_of_torch_do_not_wait_either(name: str, engines: Engines) -> None:
    engines(far)
    assert sum(waits_of_steps(CASES[name])) <= 24 // DEFAULT.relocate_every + 24 // READ_EVERY


def test_centers_are_fetched_once_a_step_to_be_kept_apart(engines: Engines) -> None:
    engines(far)
    assert max(waits_of_steps(FitCase({"spacing": 0.05, "count": 40}))) <= 3


def test_losses_are_known_in_time(engines: Engines) -> None:
    """The first at once, the others some at a time, and all when a preview is due."""
    losses, late = [], []
    run_case(CASES["plain"], observer=lambda s: losses.append(s.loss), iterations=20)
    engines(far)
    with FarDevice():
        run_case(CASES["plain"], observer=lambda s: late.append(s.loss), iterations=20)
        assert late == [losses[step // READ_EVERY * READ_EVERY - (step >= READ_EVERY)] for step in range(21)]
        shown: list[Snapshot] = []
        run_case(CASES["plain"], observer=shown.append, iterations=20, preview_seconds=1e-9)
    previews = [snapshot for snapshot in shown if snapshot.image is not None]
    assert len(previews) > 1
    assert all(snapshot.loss == losses[snapshot.step] for snapshot in previews)
    assert all(type(snapshot.image) is torch.Tensor for snapshot in previews)


@pytest.mark.parametrize("on", [iterating, far])
def test_a_loss_that_is_no_number_is_refused_on_any_device(on: Callable[..., Rasterizer], engines: Engines) -> None:
    engines(on)
    with FarDevice():
        with pytest.raises(UserError, match="loss function must give"):
            run_case(FitCase(loss=lambda image: image.sum() * math.nan))
        with pytest.raises(UserError, match="square root"):
            run_case(FitCase(loss=lambda image: image.mul(0).sqrt().sum()))


def failing_fit(engines: Engines, failures: int) -> tuple[FitResult, list[float]]:
    losses: list[float] = []

    def make(engine: str, *arguments: Any, **options: Any) -> Rasterizer:
        rasterizer = FailingRasterizer(*arguments, **options)
        rasterizer.failures = failures
        return rasterizer

    engines(make)
    result = run_case(CASES["plain"], observer=lambda s: losses.append(s.loss))
    return result, losses


def test_steps_that_an_engine_cannot_make_are_left_out(engines: Engines) -> None:
    # The fourth, which fails too, is to relocate.
    result, losses = failing_fit(engines, 4)
    assert losses[:4] == [math.inf] * 4
    assert all(map(math.isfinite, losses[4:]))
    assert result.loss == min(losses) < 0.2 * losses[4]
    assert result.psnr > 20


def test_where_no_step_can_be_made_the_start_is_the_result(engines: Engines) -> None:
    result, losses = failing_fit(engines, 1000)
    assert set(losses) == {math.inf}
    assert result.layout.count == SETTINGS.count
    assert math.isfinite(result.psnr)


# --- the CUDA engine, its kernels emulated ---

EMULATED = ["limits", "palette", "mask, linear", "l1", "small picture first", "continued", "alpha", "paper, mask"]


@pytest.mark.parametrize("name", EMULATED)
def test_a_fit_on_the_cuda_engine_is_as_good(name: str, emulated_gpu: EmulatedGpu, engines: Engines) -> None:
    """Where all goes well: sums are rounded in another way, and another candidate may be taken for it."""

    def cuda(engine: str, templates: Templates, height: int, width: int, *, space: str, threads: int) -> Rasterizer:
        return CudaRasterizer(templates, height, width, emulated_gpu, space=space)

    expected = run_case(CASES[name])
    engines(cuda)
    found = run_case(CASES[name])
    assert found.psnr == pytest.approx(expected.psnr, abs=1.0)  # observed 0.5
    assert found.layout.count == expected.layout.count


# --- the renderer ---


@pytest.mark.parametrize(("tensors", "engine"), [(FAR, FAR), (FAR, CPU), (CPU, FAR)])
def test_rendering_on_any_device_by_an_engine_on_any(
    tensors: torch.device, engine: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates, height, width = stamps(CASES["textured, linear"]), 20, 30
    given = torch.rand(9, 12, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2
    given[:3] *= torch.tensor([30.0, 20.0, 9.0])[:, None]
    target = picture(height, width)

    def rendered(device: torch.device) -> list[Tensor]:
        leaf, background = (tensor.clone().to(device).requires_grad_() for tensor in (given, target))
        options: dict[str, Any] = {"template": (given[0] > 15).long().to(device), "space": "linear"}
        options |= {"templates": templates, "size": (height, width), "background": background}
        x, y, scale, aspect, rotation, opacity = leaf[:6]
        image, alpha = render(x, y, scale, rotation, opacity, leaf[6:].T, aspect=aspect, **options)
        loss = (image - target.to(device)).square().sum() + alpha.square().sum()
        results = [image.detach(), alpha.detach(), *torch.autograd.grad(loss, (leaf, background))]
        assert all(result.device == device for result in results)
        return [result.cpu() for result in results]

    expected = rendered(CPU)
    templates.derived.clear()
    monkeypatch.setattr("backend.rendering.DEVICES", ("cpu", FAR.type))
    if engine == FAR:
        monkeypatch.setattr("backend.rendering.make_rasterizer", far)
    with FarDevice():
        found = rendered(tensors)
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


def test_layouts_are_rendered_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["textured, linear"]
    layout = run_case(case, iterations=1).layout
    expected = [render_layout(layout, stamps(case), transparent=transparent) for transparent in (False, True)]
    monkeypatch.setattr("backend.rendering.make_rasterizer", far)
    with FarDevice():
        found = [render_layout(layout, stamps(case), transparent=transparent) for transparent in (False, True)]
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


def test_pictures_anywhere_are_compared() -> None:
    image, weight = picture(40, 50), torch.linspace(0, 1, 50).expand(40, 50)
    target = image.roll(3, 2)
    with FarDevice():
        there = [plane.to(FAR) for plane in (image, target, weight)]
        assert psnr(*there) == psnr(image, target, weight)
        assert ssim(*there) == ssim(image, target, weight)


# --- moving, and whether mistakes would be found ---


def test_moving_and_fetching() -> None:
    tensors = [torch.rand(3, 2), torch.arange(4), torch.rand(()).double(), torch.ones(0, 2), torch.tensor([2**40])]
    assert all(one is other for one, other in zip(fetched(*tensors), tensors, strict=True))
    with FarDevice() as device:
        there = [moved(tensor, FAR) for tensor in tensors]
        assert all(tensor.device == FAR for tensor in there)
        assert device.waits == []
        back = fetched(*there)
        assert len(device.waits) == 1
    for one, other in zip(back, tensors, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def test_what_is_in_the_wrong_place_is_found() -> None:
    """That the device which is none is as strict as one that is."""
    near = torch.arange(4.0)
    with FarDevice() as device:
        there = near.to(FAR, non_blocking=True)
        assert (there + near[2]).device == FAR
        mixtures: list[Callable[[], Tensor]] = [
            lambda: there + near,
            lambda: near.add_(there),
            lambda: there[near.long()],
            lambda: torch.cat([there, near]),
            lambda: torch.stack([there.sum(), near.sum()]),
            lambda: torch.rand(3, device=FAR, generator=torch.Generator()),
            lambda: torch.tensor([1.0, 2.0], device=FAR) + there,
        ]
        for mixture in mixtures:
            with pytest.raises(AssertionError):
                mixture()
        for outlet in (there.numpy, there.tolist):
            with pytest.raises(RuntimeError):
                outlet()
        assert device.waits == []
        looks: list[Callable[[], object]] = [
            lambda: float(there.sum()),
            lambda: bool(there.any()),
            lambda: there.nonzero(),
            lambda: there[there > 1],
            lambda: there.cpu(),
            lambda: near.to(FAR),
        ]
        for number, look in enumerate(looks):
            look()
            assert len(device.waits) == number + 1
