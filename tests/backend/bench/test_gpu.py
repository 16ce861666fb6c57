"""The GPU bench on emulated kernels: it runs and saves its results; their values mean nothing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest

from backend.bench import gpu, measure, speed
from backend.bench.gpu import Plan, explain, keep, run
from backend.job import UserError
from tests.backend.emulation.gpu import EmulatedGpu

SMALL = Plan(steps=((64, 20),), runs=2, fit_size=48, fit_count=20, fit_iterations=6, first_preview=False)


def test_results_are_measured_formatted_and_saved(emulated_gpu: EmulatedGpu, tmp_path: Path) -> None:
    told: list[str] = []
    results = run(emulated_gpu, told.append, SMALL)
    assert told
    assert [step["deterministic"] for step in results["steps"]] == [True, False]
    for step in results["steps"]:
        assert step["ms"] > 0
        assert step["samples"] > 0
    assert results["fit"]["psnr"] > 5
    text = explain({**results, "first_preview_s": 1.25})
    assert "emulated" in text
    assert "1.2 s" in text
    file = tmp_path / "results.jsonl"
    for _ in range(2):
        keep(results, file)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 2
    assert {"date", "commit", "machine", "steps", "fit"} <= set(lines[0])


def test_an_unwritable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing.results.*cannot be written.*--results"):
        keep({}, tmp_path / "missing" / "results.jsonl")


def test_a_timed_step_does_not_change_the_scene(emulated_gpu: EmulatedGpu) -> None:
    """So that all timed steps are alike."""
    scene = gpu.Scene(64, 20)
    engine = gpu.CudaRasterizer(scene.templates, 64, 64, emulated_gpu)
    iteration = engine.iteration(20, gpu._RULE)
    gpu._load(iteration, scene)
    planes = (scene.background, scene.target, scene.weight)
    losses = [
        float(iteration.run(*planes, rate=gpu._STILL, bias=1.0, limited=False, scored=False).loss) for _ in range(3)
    ]
    assert losses[0] == losses[1] == losses[2]


def test_the_first_usable_card_is_measured(
    emulated_gpu: EmulatedGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.engines.cuda.gpu.find_gpu", lambda: emulated_gpu)
    monkeypatch.setattr(speed, "run", dict)
    monkeypatch.setattr(gpu, "run", lambda card, tell: {"device": card.name})
    options = dict.fromkeys(("clips", "targets", "templates", "quality", "seeds", "shares", "peers"))
    args = argparse.Namespace(**options, exports=False, quick=False, results=tmp_path / "results.jsonl")
    assert measure(args, print) == {"speed": {}, "gpu": {"device": "emulated"}}
    assert json.loads(args.results.read_text())["device"] == "emulated"


def test_new_processes_measure_memory_and_the_first_preview() -> None:
    if sys.platform != "win32":
        assert speed._memory(32, 4)["peak"] > 0
    assert gpu._first_preview("cpu") is not None
