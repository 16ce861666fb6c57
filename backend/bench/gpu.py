"""The GPU bench: steps of the CUDA engine, a whole fit, the time to the first preview, and memory, on one card."""

from __future__ import annotations

import datetime
import json
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..engines.cpu import CpuEngine
from ..engines.cuda.gpu import Gpu
from ..engines.cuda.rasterizer import CudaRasterizer
from ..engines.interface import AdamRule, Iteration, Variables
from ..fitting import fit
from ..fitting.reporter import Snapshot
from ..job import Settings, cannot_write
from ..native.arrays import FloatArray
from ..templates import Template, Templates
from .speed import Scene

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results.jsonl"
"""The results: a line of JSON per run on a card."""

INSTRUCTIONS = 130
"""Instructions per sample, forward and backward, counted in the machine code of flat stamps for sm_90."""

_RULE = AdamRule(0.88, 0.8, 1e-10, 0.12, 40.0, 0.3, 0.07, 0.16, 0.2, 0.4, 0.05)
# A rate at which Adam moves nothing, so that all timed steps have the same scene.
_STILL = 0.0
_BATCHES = 5
_WARM_UP = 0.5  # s


@dataclass(frozen=True)
class Plan:
    """The amount of measurements."""

    steps: tuple[tuple[int, int], ...] = ((512, 1000), (512, 10_000), (4096, 20_000))  # canvas, primitives
    runs: int = 40  # per step and batch
    fit_size: int = 512
    fit_count: int = 2000
    fit_iterations: int = 100
    first_preview: bool = True


def run(gpu: Gpu, tell: Callable[[str], None], plan: Plan | None = None) -> dict[str, Any]:
    """Measures a card. Calls tell with lines of progress."""
    plan = plan or Plan()
    steps = []
    for size, count in plan.steps:
        for deterministic in (True, False):
            tell(f"A step of {count:,} primitives at {size} px")
            steps.append(_step(gpu, size, count, plan.runs, deterministic))
    tell(f"A fit of {plan.fit_count:,} primitives at {plan.fit_size} px")
    result: dict[str, Any] = {"machine": machine(gpu), "steps": steps, "fit": _fit(gpu, plan)}
    if plan.first_preview:
        tell("The first preview of a new process")
        result["first_preview_s"] = _first_preview(str(gpu.torch_device))
    return result


def explain(results: dict[str, Any]) -> str:
    """Formats the results as a table."""
    fitted, about = results["fit"], results["machine"]
    lines = [
        f"{about['device']}, driver {about['driver']}, CUDA {about['cuda']}, torch {about['torch']}",
        "One step (levels, bins, forward, loss, backward, Adam), radii 2 to 50 px, tint",
        f"  {'px':>5} {'primitives':>10} {'ms':>9} {'G samples/s':>12} {'of the limit':>12}  sums",
    ]
    for step in results["steps"]:
        share = "" if step["share"] is None else f"{step['share']:.0%}"
        lines.append(
            f"  {step['size']:5} {step['count']:10,} {step['ms']:9.3f} {step['gigasamples']:12.1f} {share:>12}  "
            f"{'in order' if step['deterministic'] else 'atomic'}"
        )
    lines += [
        f"The limit: one instruction per lane and clock, {INSTRUCTIONS} instructions per sample.",
        f"A fit of {fitted['count']:,} primitives, {fitted['size']} px, {fitted['iterations']} steps with relocation: "
        f"{fitted['seconds']:.2f} s, {fitted['psnr']:.2f} dB, {fitted['peak_bytes'] / 1e6:.0f} MB on the card",
    ]
    if results.get("first_preview_s") is not None:
        lines.append(f"From the start of a process to its first preview: {results['first_preview_s']:.1f} s")
    return "\n".join(lines)


def keep(results: dict[str, Any], file: Path = RESULTS) -> None:
    """Appends the results to a file as a line of JSON, with the date and commit. Raises UserError."""
    line = {"date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "commit": _commit(), **results}
    try:
        with open(file, "a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
    except OSError as error:
        raise cannot_write(file, error, "choose another file with --results") from error


def machine(gpu: Gpu) -> dict[str, Any]:
    """Returns the hardware and software of the machine."""
    return {
        "device": gpu.name,
        "driver": _printed("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").partition("\n")[0],
        "cuda": torch.version.cuda,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _step(gpu: Gpu, size: int, count: int, runs: int, deterministic: bool) -> dict[str, Any]:
    scene = Scene(size, count)
    device = gpu.torch_device
    engine = CudaRasterizer(scene.templates, size, size, gpu, deterministic=deterministic)
    iteration = engine.iteration(count, _RULE)
    _load(iteration, scene)
    planes = (scene.background, scene.target, scene.weight)

    def once() -> None:
        iteration.run(*planes, rate=_STILL, bias=1.0, limited=False, scored=False)

    seconds = _timed(once, runs, device)
    counted = CpuEngine(scene.templates, size, size)
    scene.step(counted)
    speed, limit = counted.samples / seconds, _limit(device)
    return {
        "size": size,
        "count": count,
        "deterministic": deterministic,
        "ms": seconds * 1e3,
        "samples": counted.samples,
        "gigasamples": speed / 1e9,
        "share": None if limit is None else speed / limit,
        "engine_bytes": engine.held_bytes,
    }


def _load(iteration: Iteration, scene: Scene) -> None:
    zero, free = np.zeros_like(scene.params), scene.params
    low, high = np.full_like(zero, -np.inf), np.full_like(zero, np.inf)
    variables = Variables(free, zero, zero, zero[:, :1], low, high, zero.astype(np.bool_))
    iteration.load(variables, scene.placement.template, scene.placement.mirror)


def _timed(work: Callable[[], None], runs: int, device: torch.device) -> float:
    """The seconds of one run within a long series, as in a fit: the median of _BATCHES batches of `runs`."""

    def batch() -> float:
        _wait(device)
        start = time.perf_counter()
        for _ in range(runs):
            work()
        _wait(device)
        return time.perf_counter() - start

    # An idle card takes some tenths of a second to raise its clock.
    left = _WARM_UP if device.type == "cuda" else 0.0
    while (left := left - batch()) > 0:
        pass
    return statistics.median(batch() for _ in range(_BATCHES)) / runs


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def _limit(device: torch.device) -> float | None:
    """Samples per second at one instruction per lane and clock; None if the clock is unknown."""
    if device.type != "cuda":
        return None
    properties = torch.cuda.get_device_properties(device)
    clock = getattr(properties, "clock_rate", 0) * 1e3  # Hz
    lanes = 64 if (properties.major, properties.minor) in ((7, 5), (8, 0)) else 128  # of float32, per multiprocessor
    return properties.multi_processor_count * lanes * clock / INSTRUCTIONS if clock else None


def _fit(gpu: Gpu, plan: Plan) -> dict[str, Any]:
    """Measures the second of two fits: the first one compiles, loads and warms up."""
    device = gpu.torch_device
    engine = str(device) if device.type == "cuda" else "cpu"
    settings = Settings(count=plan.fit_count, iterations=plan.fit_iterations, engine=engine)
    picture = _picture(plan.fit_size)
    for _ in range(2):
        templates = _disc()  # with new levels
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        start = time.perf_counter()
        result = fit(picture, templates, settings)
        seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return {
        "size": plan.fit_size,
        "count": plan.fit_count,
        "iterations": plan.fit_iterations,
        "seconds": seconds,
        "psnr": result.psnr,
        "peak_bytes": peak,
    }


def _picture(size: int) -> FloatArray:
    """A picture with soft waves and hard edges: [3, size, size]."""
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    waves = 0.5 + 0.4 * np.sin(20 * x * y + 6 * x)
    edges = (np.floor(8 * x) + np.floor(8 * y)) % 2
    return np.stack([waves, 0.7 * edges + 0.3 * y, 1 - 0.6 * waves * x]).astype(np.float32)


def _disc() -> Templates:
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    alpha = 255 * np.clip(8 * (1 - np.hypot(x, y)), 0, 1)
    return Templates([Template("disc", np.dstack([alpha * 0, alpha * 0, alpha * 0, alpha]).astype(np.uint8))])


def _first_preview(engine: str) -> float | None:
    """The seconds from the start of a fitting process to its first preview; None if it fails."""
    command = [sys.executable, "-c", f"from {__name__} import report_first_preview; report_first_preview({engine!r})"]
    start = time.time()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    return float(done.stdout) - start if done.returncode == 0 else None


def report_first_preview(engine: str) -> None:
    """Writes the time of the first preview to stdout; runs in a separate process."""
    seen: list[float] = []

    def watch(snapshot: Snapshot) -> None:
        if snapshot.image is not None and not seen:
            seen.append(time.time())

    settings = Settings(count=Plan.fit_count, iterations=10, engine=engine, preview_seconds=0.1)
    fit(_picture(Plan.fit_size), _disc(), settings, observer=watch)
    sys.stdout.write(str(seen[0]))


def _commit() -> str:
    return _printed("git", "-C", str(ROOT), "describe", "--always", "--dirty")


def _printed(*command: str) -> str:
    """The output of a command; "" if it is missing or fails."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
