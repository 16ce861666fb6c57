"""The choice of the engine, and the estimate of a card's memory for a fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from backend import doctor
from backend.control import Control
from backend.engines import choice, make_engine
from backend.engines.cuda import gpu, memory
from backend.engines.cuda.buffers import Buffers
from backend.engines.cuda.structs import Scene
from backend.engines.interface import PARAMETERS, Engine
from backend.fitting import fit
from backend.job import Limits, Settings, UserError
from backend.job.job import Job
from backend.job.messages import Event, Log
from backend.native.arrays import FloatArray
from backend.runs import run_job
from backend.runs.memory import memory_errors_named
from backend.templates import Template, Templates
from tests.backend.emulation.gpu import EmulatedGpu
from tests.backend.support.fit_cases import FitCase
from tests.backend.support.fit_cases import stamps as fit_stamps
from tests.backend.support.pictures import block, picture

GIGABYTE = 10**9
NONE = memory.Stamps()


class Card:
    """A card with nothing but memory."""

    name = "A card"
    torch_device = torch.device("cuda:1")

    def __init__(self, free_bytes: int) -> None:
        self.free_bytes = free_bytes


def stamps() -> Templates:
    return Templates([block(8, 8)])


@pytest.fixture(autouse=True)
def _driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets all tests look for cards, as where a driver is installed."""
    monkeypatch.setattr(choice, "has_driver", lambda: True)


def no_card(index: int | None = None) -> None:
    raise UserError("There is no card", "use_cpu")


def test_estimate_grows_with_pixels_primitives_and_stamps() -> None:
    base = memory.estimate(1000, 512, 512, NONE)
    assert 100e6 < base < 1e9
    assert memory.estimate(10_000, 512, 512, NONE) > base
    assert memory.estimate(1000, 1024, 512, NONE) > base
    assert memory.estimate(1000, 512, 512, memory.Stamps(GIGABYTE)) == base + GIGABYTE
    assert memory.estimate(1000, 512, 512, memory.Stamps(least=0.5)) > base
    assert memory.estimate(0, 1, 1, NONE) > 0
    assert memory.estimate(1_000_000, 8192, 8192, NONE) > 2**32


def test_largest_canvas_keeps_its_shape_and_fits() -> None:
    height, width = memory.largest(1000, 3000, 6000, NONE, GIGABYTE)
    assert 500 < height < 3000
    assert width == pytest.approx(2 * height, abs=1)
    assert memory.estimate(1000, height, width, NONE) <= GIGABYTE
    assert memory.estimate(1000, height + 2, width + 4, NONE) > GIGABYTE
    assert memory.largest(1000, 300, 600, NONE, 10 * GIGABYTE) == (300, 600)
    assert memory.largest(1000, 300, 600, NONE, 10_000) == (0, 0)


def test_textured_and_stretched_stamps_take_more_memory() -> None:
    rgba = np.full((61, 97, 4), 255, np.uint8)
    plain = memory.Stamps.of(Templates([Template("a", rgba)]))
    assert plain == memory.Stamps(2 * 64 * 100 * 4, 0.0)
    assert memory.Stamps.of(Templates([Template("a", rgba, "mix", 0.5)])).size == 4 * plain.size
    stretching = Template("a", rgba, limits=Limits(stretch=2.0, size_range=(0.5, 1.0)))
    assert memory.Stamps.of(Templates([stretching, Template("b", rgba)])) == memory.Stamps(7 * plain.size, 0.25)


class Pairs:
    """Records the most pairs of primitives and tiles of the engine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = 0
        reserve = Buffers.reserve

        def spy(buffers: Buffers, scene: Scene, pairs: int, *, backward: bool) -> None:
            self.most = max(self.most, pairs)
            reserve(buffers, scene, pairs, backward=backward)

        monkeypatch.setattr(Buffers, "reserve", spy)


@pytest.mark.parametrize(
    ("recipe", "limits"),
    [
        ("default", Limits()),
        ("default", Limits(stretch=3.0)),
        ("default", Limits(size_range=(0.3, 1.0))),
        ("paper", Limits()),
    ],
)
def test_engine_reserves_less_than_the_estimate(
    monkeypatch: pytest.MonkeyPatch, emulated_gpu: EmulatedGpu, limits: Limits, recipe: str
) -> None:
    monkeypatch.setattr(gpu, "find_gpu", lambda index: emulated_gpu)
    reserved = Pairs(monkeypatch)
    case = FitCase(limits=limits, size=(96, 128))
    templates = fit_stamps(case)
    fit(picture(*case.size), templates, Settings(count=60, iterations=8, engine="cuda", recipe=recipe))
    assert 0 < reserved.most < memory.pair_capacity(60, *case.size, memory.Stamps.of(templates))


def test_auto_chooses_a_usable_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find_gpu", lambda index: Card(8 * GIGABYTE))
    assert choice.choose_engine("auto", stamps(), 1000, 512, 512) == choice.EngineChoice("cuda:1")
    assert choice.choose_engine("cpu", stamps(), 1000, 512, 512) == choice.EngineChoice("cpu")
    assert choice.choose_engine("cuda:1", stamps(), 1000, 512, 512) == choice.EngineChoice("cuda:1")


def test_auto_chooses_the_cpu_without_a_card_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find_gpu", no_card)
    assert choice.choose_engine("auto", stamps(), 1000, 512, 512) == choice.EngineChoice("cpu", "There is no card")
    assert make_engine("auto", stamps(), 8, 8).name == "cpu"
    with pytest.raises(UserError, match="There is no card"):
        make_engine("cuda", stamps(), 8, 8)


def test_auto_without_a_driver_or_pytorch_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find_gpu", lambda index: Card(8 * GIGABYTE))
    monkeypatch.setattr(choice, "has_driver", lambda: False)
    chosen = choice.choose_engine("auto", stamps(), 1000, 512, 512)
    assert chosen == choice.EngineChoice("cpu", "There is no NVIDIA driver: install one, or use the CPU")
    assert choice.choose_engine("cuda", stamps(), 1000, 512, 512).engine == "cuda"  # PyTorch tells the cause better
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    chosen = choice.choose_engine("auto", stamps(), 1000, 512, 512)
    assert (chosen.engine, chosen.reason.partition(",")[0]) == ("cpu", "PyTorch is not installed")
    with pytest.raises(UserError, match="PyTorch is not installed") as caught:
        choice.choose_engine("cuda", stamps(), 1000, 512, 512)
    assert caught.value.action == "install"


def test_lack_of_memory_is_named_with_a_size_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find_gpu", lambda index: Card(GIGABYTE))
    with pytest.raises(UserError, match=r"A card has 1\.0 GB .* 4000 x 2000 px need .*: use (\d+) x \d+ px") as caught:
        choice.choose_engine("cuda", stamps(), 1000, 2000, 4000)
    assert caught.value.action == "halve_size"
    chosen = choice.choose_engine("auto", stamps(), 1000, 2000, 4000)
    assert (chosen.engine, chosen.reason) == ("cpu", caught.value.message)
    monkeypatch.setattr(gpu, "find_gpu", lambda index: Card(0))
    with pytest.raises(UserError, match="use the CPU") as caught:
        choice.choose_engine("cuda", stamps(), 1000, 2000, 4000)
    assert caught.value.action == "use_cpu"


@pytest.mark.parametrize("engine", ["gpu", "cuda:", "cuda:x", "cuda:1:2", "cuda:-1", ""])
def test_unknown_engines_are_named(engine: str) -> None:
    with pytest.raises(UserError, match="engine is"):
        Settings(engine=engine)
    with pytest.raises(UserError, match="engine is"):
        choice.choose_engine(engine, stamps(), 1, 8, 8)


def test_a_numbered_card_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    def find(index: int | None) -> Card:
        asked.append(index)
        return Card(GIGABYTE)

    monkeypatch.setattr(gpu, "find_gpu", find)
    for engine in ("cuda", "cuda:0", "cuda:12"):
        choice.choose_engine(engine, stamps(), 1, 8, 8)
        Settings(engine=engine)
    assert asked == [None, 0, 12]


def log_of(job: Job, out: Path) -> str:
    events: list[Event] = []
    run_job(job, out, events.append, Control())
    return next(event.text for event in events if isinstance(event, Log))


def test_job_says_which_engine_it_runs_on_and_why(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulated_gpu: EmulatedGpu
) -> None:
    monkeypatch.setattr(gpu, "find_gpu", no_card)
    job.settings = replace(job.settings, engine="auto")
    assert log_of(job, tmp_path / "auto").endswith(" (no CUDA: There is no card)")
    monkeypatch.setattr(emulated_gpu, "free_bytes", GIGABYTE, raising=False)
    monkeypatch.setattr(gpu, "find_gpu", lambda index: emulated_gpu)
    job.settings = replace(job.settings, engine="cuda", iterations=2)
    assert log_of(job, tmp_path / "cuda").endswith("engine cuda on emulated")
    metrics = json.loads((tmp_path / "cuda" / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["engine"], metrics["device"]) == ("cuda", "emulated")


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), RuntimeError("CUDA error: out of memory")],
)
def test_a_full_card_is_named(error: RuntimeError) -> None:
    with pytest.raises(UserError, match="graphics card has too little memory") as caught, memory_errors_named():
        raise error
    assert caught.value.action == "halve_size"


def let_torch_find(monkeypatch: pytest.MonkeyPatch, cards: int) -> None:
    monkeypatch.setattr(gpu, "gpu_count", lambda: cards)


def test_doctor_lists_cards_and_their_errors(monkeypatch: pytest.MonkeyPatch, emulated_gpu: EmulatedGpu) -> None:
    let_torch_find(monkeypatch, 1)
    monkeypatch.setattr(gpu, "find_gpu", lambda index: emulated_gpu)
    findings = doctor.examine()
    card = findings["engines"][0]
    assert (card["name"], card["device"], card["works"]) == ("cuda:0", "emulated", True)
    assert list(card["gradient_errors"]) == list(PARAMETERS)
    assert max(card["gradient_errors"].values()) == card["gradient_error"] > 0
    assert doctor.is_sound(findings)


class Wrong:
    """An engine whose gradients are a thousandth too small, or NaN."""

    def __init__(self, engine: Engine, factor: float) -> None:
        self._engine, self._factor = engine, factor

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def backward(self, *args: object) -> FloatArray:
        return self._engine.backward(*args) * np.float32(self._factor)  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [0.999, float("nan")])
def test_doctor_finds_wrong_gradients(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    def make(engine: str, *args: object, **options: object) -> object:
        made = make_engine("reference" if engine.startswith("cuda") else engine, *args, **options)  # type: ignore[arg-type]
        return Wrong(made, factor) if engine.startswith("cuda") else made

    let_torch_find(monkeypatch, 2)
    monkeypatch.setattr(gpu, "find_gpu", lambda index: Card(GIGABYTE))
    monkeypatch.setattr(doctor, "make_engine", make)
    findings = doctor.examine()
    assert [(engine["name"], engine["works"]) for engine in findings["engines"]] == [
        ("cuda:0", False),
        ("cuda:1", False),
        ("cpu", True),
        ("reference", True),
    ]
    assert not doctor.is_sound(findings)
    assert "cuda:1     differs too much" in doctor.explain(findings)


def test_doctor_names_the_error_of_a_card_that_fails_midway(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "CUDA error: an illegal memory access was encountered\nCompile with ..."
    monkeypatch.setattr(doctor, "make_engine", Mock(side_effect=torch.AcceleratorError(lines)))
    found = doctor._examine_engine("cuda:0", {})
    assert (found["works"], found["cause"]) == (False, "CUDA error: an illegal memory access was encountered")
