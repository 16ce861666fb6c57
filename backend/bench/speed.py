"""The speed bench: the CPU engine's fused step against the reference engine's."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..engines import make_engine
from ..engines.cpu import CpuEngine
from ..engines.interface import Engine, Placement
from ..fitting.random import Random
from ..native import library
from ..native.arrays import FloatArray
from ..native.threads import core_count
from ..templates import Template, Templates

SIZE, COUNT, SMALLEST, LARGEST = 512, 1000, 2.0, 50.0
BIG_SIZE, BIG_COUNT = 4096, 20_000
SHARED_SIZE, SHARED_COUNT = 1024, 3000


def run() -> dict[str, Any]:
    """Measures times of a step and their ratio, samples per second for each instruction set, and memory."""
    threads = core_count()
    scene = Scene(SIZE, COUNT)
    reference = make_engine("reference", scene.templates, SIZE, SIZE, threads=threads)
    engine = CpuEngine(scene.templates, SIZE, SIZE, threads=threads)
    # Alternate, and take the minimum: other work on the machine only adds time.
    times: dict[str, list[float]] = {"cpu": [], "reference": []}
    scene.step(reference)
    for _ in range(3):
        times["cpu"] += [scene.step_seconds(engine) for _ in range(10)]
        times["reference"].append(scene.step_seconds(reference))
    step, reference_step = min(times["cpu"]), min(times["reference"])
    return {
        "size": SIZE,
        "count": COUNT,
        "radii": [SMALLEST, LARGEST],
        "threads": threads,
        "device": engine.device,
        "step_ms": step * 1e3,
        "reference_step_ms": reference_step * 1e3,
        "ratio": reference_step / step,
        "instruction_sets": [_single_core(scene, level) for level in _levels()],
        "memory": [_memory(SIZE, COUNT), _memory(BIG_SIZE, BIG_COUNT)],
        "scaling": scaling(),
    }


def explain(results: dict[str, Any]) -> str:
    """Formats the results as a table."""
    memory = [m for m in results["memory"] if m]
    lines = [
        f"One step (forward, loss, backward), {results['size']} x {results['size']} px, {results['count']} primitives, "
        f"radii {results['radii'][0]:g} to {results['radii'][1]:g} px, tint, {results['threads']} threads",
        f"  cpu        {results['step_ms']:9.2f} ms   {results['device']}",
        f"  reference  {results['reference_step_ms']:9.2f} ms   {results['ratio']:.0f} times as long",
        "One core, G samples per second",
        *(
            f"  {s['name']:<9}  {s['gigasamples']:9.2f}      {s['step_ms']:.2f} ms a step"
            for s in results["instruction_sets"]
        ),
        f"One step of {SHARED_SIZE} x {SHARED_SIZE} px, {SHARED_COUNT} primitives: threads, ms, times as fast as one",
        *(
            f"  {s['threads']:7} {s['step_ms']:11.2f}    {results['scaling'][0]['step_ms'] / s['step_ms']:6.2f}"
            for s in results["scaling"]
        ),
        "Peak memory of a process that makes steps, and the engine's share, MB",
        *(
            f"  {m['size']:5} px, {m['count']:6} primitives {m['peak'] / 1e6:7.0f} {m['engine'] / 1e6:7.0f}"
            for m in memory
        ),
    ]
    return "\n".join(lines)


class Scene:
    """Random primitives of a striped square: a stamp that fills its square is the hardest to rasterize."""

    def __init__(self, size: int, count: int) -> None:
        y, x = np.mgrid[-1:1:128j, -1:1:128j]
        alpha = 0.55 + 0.45 * np.sin(12 * np.hypot(x, y) + 3 * x)
        rgba = np.dstack([np.zeros((128, 128, 3)), 255 * alpha]).astype(np.uint8)
        self.templates = Templates([Template("stripes", rgba)])
        random = Random(0)
        self.params = random.uniform(count, 9)
        self.params[:, :2] *= size
        self.params[:, 2] = SMALLEST + (LARGEST - SMALLEST) * self.params[:, 2]
        self.params[:, 3] = 1.0
        self.params[:, 4] *= 2 * np.pi
        template = np.zeros(count, np.int64)
        level = self.templates.choose_levels(template, self.params[:, 2], self.params[:, 3])
        self.placement = Placement(template, level, np.zeros(count, np.bool_))
        self.target, self.background = random.uniform(2, 3, size, size)
        self.weight = np.full((size, size), 1 / (3 * size * size), np.float32)

    def step(self, engine: Engine) -> FloatArray:
        return engine.step(self.params, self.placement, self.background, self.target, self.weight)[1]

    def step_seconds(self, engine: Engine) -> float:
        return _seconds(lambda: self.step(engine))


def scaling() -> list[dict[str, float]]:
    """The milliseconds of a step on 1, 2, 4 ... threads, up to the cores: waiting counts, CPU seconds do not."""
    scene = Scene(SHARED_SIZE, SHARED_COUNT)
    counts = [2**power for power in range(core_count().bit_length())]
    engines = [CpuEngine(scene.templates, SHARED_SIZE, SHARED_SIZE, threads=count) for count in counts]
    for engine in engines:
        scene.step(engine)
    # Alternate, as other work on the machine comes and goes.
    rounds = [[scene.step_seconds(engine) for engine in engines] for _ in range(8)]
    return [{"threads": count, "step_ms": min(own) * 1e3} for count, *own in zip(counts, *rounds, strict=True)]


def _single_core(scene: Scene, level: int) -> dict[str, Any]:
    engine = CpuEngine(scene.templates, SIZE, SIZE, threads=1, instructions=level or None)
    scene.step(engine)
    step = min(scene.step_seconds(engine) for _ in range(100))
    return {
        "name": library.load(level or None)[1],
        "step_ms": step * 1e3,
        "samples": engine.samples,
        "gigasamples": engine.samples / step / 1e9,
    }


def _levels() -> list[int]:
    """The x86-64 levels of this processor, highest first; [0] on others."""
    best = library.best_level()
    return list(range(best, 1, -1)) if best else [0]


def _memory(size: int, count: int) -> dict[str, int]:
    """The peak bytes of a new process that makes two steps, and the engine's share; empty on Windows."""
    if sys.platform == "win32":
        return {}
    command = [sys.executable, "-c", f"from {__name__} import report_memory; report_memory({size}, {count})"]
    root = Path(__file__).parents[2]
    return json.loads(subprocess.run(command, cwd=root, capture_output=True, timeout=600, check=True).stdout)


def report_memory(size: int, count: int) -> None:
    """Writes the result of _memory to stdout as JSON; runs in a separate process."""
    import resource

    scene = Scene(size, count)
    engine = CpuEngine(scene.templates, size, size)
    for _ in range(2):
        scene.step(engine)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    json.dump({"size": size, "count": count, "peak": peak, "engine": engine.held_bytes}, sys.stdout)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
