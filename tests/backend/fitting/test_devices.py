"""A fit by an engine on another device than the CPU: little is waited for, and the result is the same.

The engine only claims to compute elsewhere, so what is computed is the same to the bit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from backend.engines.cpu import CpuEngine
from backend.engines.cuda.rasterizer import CudaRasterizer
from backend.engines.interface import Engine, Held, Iteration, Stepped, Variables
from backend.engines.tensors import CpuRasterizer, FarEngine, Rasterizer
from backend.fitting.loop import FitResult
from backend.fitting.recipe import DEFAULT
from backend.fitting.record import READ_EVERY
from backend.fitting.reporter import Snapshot
from backend.job import UserError
from backend.native.arrays import BoolArray, FloatArray, IntArray
from backend.templates import Templates
from tests.backend.emulation.gpu import EmulatedGpu
from tests.backend.support.far_device import FarDevice, FarRasterizer
from tests.backend.support.fit_cases import CASES, SETTINGS, FitCase, digest, run_case

DEFAULT_DESCENT, PAPER_DESCENT = "backend.fitting.default.descent", "backend.fitting.paper.descent"

FUSED = [name for name, case in CASES.items() if set(case.settings.get("losses", {})) <= {"l1"} and not case.loss]
FUSED = [name for name in FUSED if not name.startswith("paper")]
"""Those whose steps an engine may make."""


@dataclass
class Late:
    """A loss or params whose reading is a wait."""

    value: Any
    waits: list[str]

    def __float__(self) -> float:
        self.waits.append("loss")
        return float(self.value)

    def read(self) -> FloatArray:
        self.waits.append("params")
        return self.value.read()


class FarIteration:
    """See interface.Iteration. The first steps fail."""

    def __init__(self, iteration: Iteration, waits: list[str], failures: int) -> None:
        self._iteration, self._waits, self._failures = iteration, waits, failures

    def load(self, variables: Variables, template: IntArray, mirror: BoolArray) -> None:
        self._placed = template, mirror
        self._iteration.load(variables, template, mirror)

    def run(self, *planes: Any, **options: Any) -> Stepped:
        before = self._iteration.unload() if self._failures else None
        stepped = self._iteration.run(*planes, **options)
        params: Held = Late(stepped.params, self._waits)
        if before is None:
            return Stepped(Late(stepped.loss, self._waits), params, stepped.scores)
        self._failures -= 1
        self._iteration.load(before, *self._placed)
        return Stepped(math.inf, params, stepped.scores)

    def unload(self) -> Variables:
        self._waits.append("variables")
        return self._iteration.unload()


class LateEngine(CpuEngine):
    """The CPU engine, elsewhere."""

    waits = True

    def __init__(self, *arguments: Any, log: list[str], failures: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._log, self._failures = log, failures

    def iteration(self, *arguments: Any, **options: Any) -> Iteration:  # type: ignore[override]
        return FarIteration(super().iteration(*arguments, **options), self._log, self._failures)


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes far engines the engines of fits, and returns the log of their waits."""
    return use(monkeypatch, 0)


def use(monkeypatch: pytest.MonkeyPatch, failures: int) -> list[str]:
    log: list[str] = []

    def make(engine: str, templates: Templates, height: int, width: int, **options: Any) -> LateEngine:
        return LateEngine(templates, height, width, log=log, failures=failures, **options)

    monkeypatch.setattr(f"{DEFAULT_DESCENT}.make_engine", make)
    return log


@pytest.mark.parametrize("name", FUSED)
def test_a_fit_by_whole_steps_elsewhere_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = digest(run_case(CASES[name]))
    use(monkeypatch, 0)
    assert digest(run_case(CASES[name])) == expected


@pytest.mark.parametrize("name", ["plain", "linear", "palette", "mask"])
def test_a_fit_waits_for_relocations_and_for_losses_now_and_then(name: str, far: list[str]) -> None:
    seen: list[int] = []
    run_case(CASES[name], observer=lambda _: seen.append(len(far)), iterations=24)
    for step, (before, after) in enumerate(itertools.pairwise(seen)):
        relocates = (step + 1) % DEFAULT.relocate_every == 0 and step / 24 < DEFAULT.relocate_until
        # A relocation reads its loss and takes the variables back; losses are read some at a time.
        most = 2 * relocates + READ_EVERY * ((step + 1) % READ_EVERY == 0)
        assert after - before <= most


RELOCATIONS = len(range(DEFAULT.relocate_every - 1, math.ceil(24 * DEFAULT.relocate_until), DEFAULT.relocate_every))


@pytest.mark.parametrize(
    ("case", "most"),
    [
        (CASES["l1"], 2 * RELOCATIONS),  # also for their scores, which are of another loss
        (CASES["order"], 24),  # to be sorted
        (FitCase({"spacing": 0.05, "count": 40}), 24),  # to be kept apart
    ],
)
def test_variables_are_fetched_once_for_each_use(case: FitCase, most: int, far: list[str]) -> None:
    run_case(case, iterations=24)
    assert far.count("variables") <= most


def test_losses_are_known_in_time(far: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first at once, the others some at a time, and all when a preview is due."""
    late: list[float] = []
    run_case(CASES["plain"], observer=lambda s: late.append(s.loss), iterations=20)
    shown: list[Snapshot] = []
    run_case(CASES["plain"], observer=shown.append, iterations=20, preview_seconds=1e-9)
    losses: list[float] = []
    monkeypatch.setattr(LateEngine, "waits", False)
    run_case(CASES["plain"], observer=lambda s: losses.append(s.loss), iterations=20)
    assert late == [losses[step // READ_EVERY * READ_EVERY - (step >= READ_EVERY)] for step in range(21)]
    previews = [snapshot for snapshot in shown if snapshot.image is not None]
    assert len(previews) > 1
    assert all(snapshot.loss == losses[snapshot.step] for snapshot in previews)


def failing_fit(monkeypatch: pytest.MonkeyPatch, failures: int) -> tuple[FitResult, list[float]]:
    losses: list[float] = []
    use(monkeypatch, failures)
    monkeypatch.setattr(LateEngine, "waits", False)
    return run_case(CASES["plain"], observer=lambda s: losses.append(s.loss)), losses


def test_steps_that_an_engine_cannot_make_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # The fourth, which fails too, is to relocate.
    result, losses = failing_fit(monkeypatch, 4)
    assert losses[:4] == [math.inf] * 4
    assert all(map(math.isfinite, losses[4:]))
    assert result.loss == min(losses) < 0.2 * losses[4]
    assert result.psnr > 20


def test_where_no_step_can_be_made_the_start_is_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    result, losses = failing_fit(monkeypatch, 1000)
    assert set(losses) == {math.inf}
    assert result.layout.count == SETTINGS.count
    assert math.isfinite(result.psnr)


# --- engines of tensors on another device ---


class HostSteps(CpuRasterizer):
    """The CPU engine for tensors, which leaves the steps to the optimizer on the host."""

    def iteration(self, *arguments: Any, **options: Any) -> None:
        return None


def near_rasterizer(engine: str, *arguments: Any, **options: Any) -> Rasterizer:
    return HostSteps(*arguments, **options)


def far_rasterizer(engine: str, *arguments: Any, **options: Any) -> Rasterizer:
    return FarRasterizer(HostSteps(*arguments, **options))


def use_tensors(monkeypatch: pytest.MonkeyPatch, make: Callable[..., Rasterizer]) -> None:
    """Makes engines of tensors those of fits."""

    def engine(*arguments: Any, **options: Any) -> Engine:
        return FarEngine(make(*arguments, **options), options["space"])

    monkeypatch.setattr(f"{DEFAULT_DESCENT}.make_engine", engine)
    monkeypatch.setattr(f"{PAPER_DESCENT}.make_engine", engine)
    monkeypatch.setattr(f"{PAPER_DESCENT}.make_rasterizer", make)


@pytest.mark.parametrize("name", CASES)
def test_a_fit_on_another_device_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_tensors(monkeypatch, near_rasterizer)
    expected = digest(run_case(CASES[name]))
    use_tensors(monkeypatch, far_rasterizer)
    with FarDevice() as device:
        assert digest(run_case(CASES[name])) == expected
    assert device.waits


def test_the_recipe_paper_waits_for_losses_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tensors(monkeypatch, far_rasterizer)
    seen: list[int] = []
    with FarDevice() as device:
        run_case(CASES["paper"], observer=lambda _: seen.append(len(device.waits)), iterations=24)
    for step, (before, after) in enumerate(itertools.pairwise(seen)):
        # The first of these readings waits; what is read then is there.
        assert after - before <= READ_EVERY * ((step + 1) % READ_EVERY == 0)


def test_a_loss_that_is_no_number_is_refused_on_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tensors(monkeypatch, far_rasterizer)
    with FarDevice():
        with pytest.raises(UserError, match="loss function must give"):
            run_case(FitCase(loss=lambda image: image.sum() * math.nan))
        with pytest.raises(UserError, match="square root"):
            run_case(FitCase(loss=lambda image: image.mul(0).sqrt().sum()))


# --- the CUDA engine, its kernels emulated ---

EMULATED = ["limits", "palette", "mask, linear", "l1", "small picture first", "continued", "alpha", "paper, mask"]


@pytest.mark.parametrize("name", EMULATED)
def test_a_fit_on_the_cuda_engine_is_as_good(
    name: str, emulated_gpu: EmulatedGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all goes well: sums are rounded in another way, and another candidate may be taken for it."""

    def cuda(engine: str, templates: Templates, height: int, width: int, *, space: str, threads: int) -> Rasterizer:
        return CudaRasterizer(templates, height, width, emulated_gpu, space=space)

    expected = run_case(CASES[name])
    use_tensors(monkeypatch, cuda)
    found = run_case(CASES[name])
    assert found.psnr == pytest.approx(expected.psnr, abs=1.0)  # observed 0.5
    assert found.layout.count == expected.layout.count
