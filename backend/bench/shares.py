"""The shares bench: where the CPU seconds of a whole fit on one thread go, from the start of its process to its end."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..job import UserError
from ..pictures.images import save_png

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 3600  # s, of a fit
PARTS = ("start", "read", "initialize", "steps", "relocation", "previews", "save", "judge", "other", "end")
"""Columns of the table: the parts in metrics.json, and what follows after its numbers were taken."""
KERNELS = "kernels"
"""A column of its own: what the compiled library has spent, whatever the part."""


@dataclass(frozen=True)
class Case:
    """A fit to measure."""

    size: int  # px
    count: int
    iterations: int
    stamps: int = 1
    recipe: str = "default"


CASES = {
    "tiny": Case(512, 1, 1),
    "one-stamp": Case(384, 600, 60),
    "many-stamps": Case(384, 600, 60, stamps=300),
    "small": Case(512, 1000, 100),
    "medium": Case(1024, 3000, 100),
    "few": Case(512, 200, 100),
    "few-paper": Case(512, 200, 100, recipe="paper"),
    "huge": Case(8192, 100_000, 20),
}

_STAMP = 96  # px
_TARGET = 2048  # px, at most


def run(names: Sequence[str], tell: Callable[[str], None]) -> dict[str, Any]:
    """Measures the cases with these names, or all but `huge`: CPU seconds by part, and their total.

    Raises UserError for an unknown name, and where a fit fails.
    """
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise UserError(f"There is no case {unknown[0]}: choose among {', '.join(CASES)}")
    results = {}
    for name in names or [name for name in CASES if name != "huge"]:
        results[name] = measured(CASES[name])
        tell(f"{name}: {results[name]['total']:.2f} CPU seconds")
    return results


def measured(case: Case) -> dict[str, float]:
    """Runs a fit as a process of its own: CPU seconds of each part, and their total."""
    with tempfile.TemporaryDirectory(prefix="diffbmp-bench-") as scratch:
        folder = Path(scratch)
        _write_pictures(folder, case)
        options = {"count": case.count, "size": case.size, "iterations": case.iterations, "recipe": case.recipe}
        options |= {"threads": 1, "seed": 0, "templates": folder / "stamps", "out": folder / "out"}
        command = [sys.executable, "-m", "backend", "fit", str(folder / "target.png")]
        command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
        before = _spent_by_children()
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST, check=False
        )
        spent = _spent_by_children() - before
        if done.returncode != 0:
            raise UserError(f"A fit failed: {done.stderr.strip().rpartition(chr(10))[2]}")
        parts: dict[str, float] = json.loads((folder / "out" / "metrics.json").read_text(encoding="utf-8"))["cpu"]
    kernels = parts.pop(KERNELS)
    known = sum(parts.values())
    return {**parts, "end": max(0.0, spent - known), "total": max(spent, known), KERNELS: kernels}


def _spent_by_children() -> float:
    """The CPU seconds of processes that have ended; 0 on Windows, where they are unknown."""
    if sys.platform == "win32":
        return 0.0
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _write_pictures(folder: Path, case: Case) -> None:
    """Writes target.png, waves with edges, and stamps/ of discs, which differ where there are several."""
    size = min(case.size, _TARGET)
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j].astype(np.float32)
    waves = [0.5 + 0.5 * np.sin(9 * x * y + 3 * x + channel) for channel in range(3)]
    save_png(folder / "target.png", np.where(np.hypot(x - 0.4, y - 0.5) < 0.2, 1.0 - np.stack(waves), np.stack(waves)))
    y, x = (np.mgrid[:_STAMP, :_STAMP] + 0.5) / (_STAMP / 2) - 1
    for number in range(case.stamps):
        flat = 1.0 + 2.0 * number / case.stamps  # discs, and ever flatter ellipses
        alpha = np.clip((0.95 - np.hypot(x, flat * y)) * _STAMP / 2, 0, 1)
        pixels = np.dstack([np.zeros((_STAMP, _STAMP, 3)), np.rint(alpha * 255)]).astype(np.uint8)
        save_png(folder / "stamps" / f"{number:03d}.png", pixels)


def explain(results: dict[str, dict[str, float]]) -> str:
    """Formats the results as a table: seconds in all, and the share of each part in percent."""
    lines = [f"{'CPU seconds':<12} {'total':>8} " + " ".join(f"{name[:10]:>10}" for name in (*PARTS, KERNELS))]
    for name, parts in results.items():
        shares = " ".join(f"{100 * parts.get(column, 0.0) / parts['total']:8.1f} %" for column in (*PARTS, KERNELS))
        lines.append(f"{name:<12} {parts['total']:8.2f} {shares}")
    return "\n".join(lines)
