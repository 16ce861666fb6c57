"""Draws layouts of any numbers with an engine for a while: python -m tests.backend.engines.support.fuzz_engine [ARGS]

    --minutes N      how long (1)
    --sanitized      with each instruction set in turn, a minute each, built by Clang with its sanitizers
    --engine cuda    the CUDA kernels, emulated
    --seed N         another start
    --note FILE      write each case there before it is drawn

It ends with the number of cases, or with the smallest case that fails. With sanitizers, it writes a line a minute, and
ends at the first report, with its case. `dev.py test` has a short run.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, seed, settings

from backend.engines.cuda.rasterizer import CudaRasterizer
from backend.engines.tensors import CpuRasterizer
from backend.native import library
from tests.backend.emulation.gpu import EmulatedGpu
from tests.backend.engines.support import fuzz_cases, sanitizers
from tests.backend.engines.support.fuzz_cases import Case

ROUND = 25
"""Cases between two looks at the clock."""
COSTLY = 4
"""Of so many rounds, one has large canvases and stamps."""
SPREAD = 1_000_000
"""Seeds between two processes."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Draws layouts of any numbers with an engine")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--sanitized", action="store_true")
    parser.add_argument("--engine", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--note", type=Path)
    chosen = parser.parse_args()
    if chosen.sanitized:
        return _in_sanitized_processes(chosen.engine, chosen.minutes, chosen.seed)
    with TemporaryDirectory() as folder:
        examine = on_cpu if chosen.engine == "cpu" else on_emulated(EmulatedGpu(Path(folder)))
        count = fuzz(examine, 60 * chosen.minutes, chosen.seed, tiny=chosen.engine == "cuda", note=chosen.note)
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


def fuzz(
    examine: Callable[[Case], None], seconds: float, start: int, *, tiny: bool = False, note: Path | None = None
) -> int:
    """Examines cases until the time is over. Returns their number; raises what the first failing one raises."""
    cheap = fuzz_cases.cases(fuzz_cases.TINY if tiny else fuzz_cases.SMALL, fuzz_cases.MANY, fuzz_cases.CHEAP)
    costly = fuzz_cases.cases(fuzz_cases.SMALL if tiny else fuzz_cases.LARGE, fuzz_cases.MANY, fuzz_cases.COSTLY)
    checked = settings(max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    end, seen = time.monotonic() + seconds, 0

    def counted(case: Case) -> None:
        nonlocal seen
        seen += 1
        if note:
            note.write_text(repr(case))
        examine(case)

    number = 0
    while time.monotonic() < end:
        number += 1
        seed(start + number)(checked(given(cheap if number % COSTLY else costly)(counted)))()
    return seen


def _in_sanitized_processes(engine: str, minutes: float, start: int) -> int:
    if why := sanitizers.missing():
        sys.stderr.write(f"{why}\n")
        return 2
    levels = [variant.level for variant in sanitizers.variants()] if engine == "cpu" else [0]
    begin, total = time.monotonic(), 0
    for number, level in enumerate(itertools.cycle(levels)):
        left = minutes - (time.monotonic() - begin) / 60
        if left <= 0:
            break
        code, said = _sanitized_process(engine, level, min(left, 1.0), start + SPREAD * number)
        name = library.NAMES.get(level, "the best instruction set")
        if code:
            sys.stdout.write(f"{name}, after {total} layouts:\n{said}\n")
            return 1
        count = int(said.split(maxsplit=1)[0])
        total += count
        passed = (time.monotonic() - begin) / 60
        sys.stdout.write(f"{passed:.0f} min: {count} layouts by {engine}, {name}; {total} in all, no report\n")
        sys.stdout.flush()
    return 0


def _sanitized_process(engine: str, level: int, minutes: float, start: int) -> tuple[int, str]:
    """See sanitizers.run; with a report comes its case."""
    with TemporaryDirectory() as folder:
        note = Path(folder) / "case"
        program = ["tests.backend.engines.support.fuzz_engine", "--engine", engine, "--minutes", str(minutes)]
        program += ["--seed", str(start), "--note", str(note)]
        try:
            code, said = sanitizers.run(program, level, timeout=60 * minutes + 600)
        except subprocess.TimeoutExpired:
            code, said = 1, "a layout takes longer than ten minutes"
        return code, f"{said}\n{note.read_text() if note.exists() else ''}" if code else said


if __name__ == "__main__":
    sys.exit(main())
