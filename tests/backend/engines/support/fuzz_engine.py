"""Draws layouts of any numbers with an engine for a while: python -m tests.backend.engines.support.fuzz_engine [ARGS]

    --minutes N      how long (1)
    --sanitized      with each instruction set in turn, built by Clang with its sanitizers
    --engine cuda    the CUDA kernels, emulated
    --seed N         another start

It ends with the number of cases, or with the smallest case that fails. `dev.py test` has a short run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, seed, settings

from backend.engines import native
from backend.engines.cpu import CpuRasterizer
from backend.engines.cuda.rasterizer import CudaRasterizer
from tests.backend.emulation.gpu import EmulatedGpu
from tests.backend.engines.support import fuzz_cases, sanitizers
from tests.backend.engines.support.fuzz_cases import Case

ROUND = 25
"""Cases between two looks at the clock."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Draws layouts of any numbers with an engine")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--sanitized", action="store_true")
    parser.add_argument("--engine", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.sanitized:
        return _in_sanitized_processes(chosen.engine, chosen.minutes, chosen.seed)
    with TemporaryDirectory() as folder:
        examine = on_cpu if chosen.engine == "cpu" else on_emulated(EmulatedGpu(Path(folder)))
        count = fuzz(examine, 60 * chosen.minutes, chosen.seed, small=chosen.engine == "cuda")
    sys.stdout.write(f"{count} layouts by {chosen.engine}: nothing found\n")
    return 0


def on_cpu(case: Case) -> None:
    """Examines a case with the CPU engine, of the variant that DIFFBMP_ISA names."""
    templates = fuzz_cases.stamps(case.stamps)
    fuzz_cases.examine(case, CpuRasterizer(templates, *case.size, space=case.space, threads=1 + case.seed % 2))


def on_emulated(gpu: EmulatedGpu) -> Callable[[Case], None]:
    """Returns the examination of a case with the emulated kernels."""

    def examine(case: Case) -> None:
        templates = fuzz_cases.stamps(case.stamps)
        ordered = case.seed % 2 > 0
        engine = CudaRasterizer(templates, *case.size, gpu, space=case.space, deterministic=ordered)
        fuzz_cases.examine(case, engine)

    return examine


def fuzz(examine: Callable[[Case], None], seconds: float, start: int, *, small: bool) -> int:
    """Examines cases until the time is over. Returns their number; raises what the first failing one raises."""
    sizes, counts = (fuzz_cases.SMALL, fuzz_cases.COUNTS) if small else (fuzz_cases.LARGE, fuzz_cases.MANY)
    end, seen = time.monotonic() + seconds, 0

    def counted(case: Case) -> None:
        nonlocal seen
        seen += 1
        examine(case)

    while time.monotonic() < end:
        checked = settings(max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        seed(start + seen)(checked(given(fuzz_cases.cases(sizes, counts))(counted)))()
    return seen


def _in_sanitized_processes(engine: str, minutes: float, start: int) -> int:
    if why := sanitizers.missing():
        sys.stderr.write(f"{why}\n")
        return 2
    levels = [variant.level for variant in sanitizers.variants()] if engine == "cpu" else [0]
    share = minutes / len(levels)
    arguments = ["--engine", engine, "--minutes", str(share), "--seed", str(start)]
    for level in levels:
        program = ["tests.backend.engines.support.fuzz_engine", *arguments]
        try:
            code, said = sanitizers.run(program, level, timeout=60 * share + 600)
        except subprocess.TimeoutExpired:
            code, said = 1, "a layout takes longer than ten minutes\n"
        sys.stdout.write(f"{native.NAMES.get(level, 'the best instruction set')}: {said}")
        if code:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
