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

from ..job import UserError, quoted
from ..metrics.picture import psnr
from ..native.arrays import FloatArray
from ..pictures.images import planes_of, save_png

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 3600  # s, of a fit
PARTS = ("start", "read", "initialize", "steps", "relocation", "previews", "judge", "save", "rest")
"""The parts in metrics.json, without overlap; `rest` has what is in none, and what follows after its numbers."""
KERNELS = "kernels"
"""A column of its own: what the native library has spent, in whatever part."""
PEER = "few"
"""The case that other programs have to do, too."""


@dataclass(frozen=True)
class Case:
    """A fit to measure."""

    size: int  # px
    count: int
    iterations: int
    stamps: int = 1
    recipe: str = "default"

    def __str__(self) -> str:
        words = [f"{self.size:,} px", f"{self.count:,}", f"{self.iterations} steps"]
        words += [f"{self.stamps} stamps"] if self.stamps > 1 else []
        return ", ".join(words + ([self.recipe] if self.recipe != "default" else []))


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

# geometrizejs as its page on npm shows it: circles, and all other options as they are by default.
_GEOMETRIZE = """
const { readFileSync, writeFileSync } = require("fs");
const { Bitmap, ImageRunner, ShapeTypes } = require("geometrizejs");
const [file, size, count] = process.argv.slice(1);
const runner = new ImageRunner(Bitmap.createFromByteArray(+size, +size, readFileSync(file)));
const options = { shapeTypes: [ShapeTypes.CIRCLE], candidateShapesPerStep: 50, shapeMutationsPerStep: 100, alpha: 128 };
for (let shape = 0; shape < +count; shape++) runner.step(options);
writeFileSync(file, Buffer.from(runner.getImageData().getBytes().b.buffer));
"""


def run(names: Sequence[str], tell: Callable[[str], None], peers: Path | None = None) -> dict[str, Any]:
    """Measures the cases with these names, or all but `huge`: CPU seconds by part, their total, and PSNR in dB.

    peers: a folder where npm installed geometrizejs, which then does the case `few`, too. Raises UserError for an
    unknown name, and where a fit fails.
    """
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise UserError(f"There is no case {quoted(unknown[0])}: choose among {', '.join(CASES)}")
    results = {}
    for name in names or [name for name in CASES if name != "huge"]:
        results[name] = measured(CASES[name])
        tell(f"{name}: {results[name]['total']:.2f} CPU seconds")
    if peers is not None:
        results["geometrizejs"] = geometrized(CASES[PEER], peers)
        tell(f"geometrizejs: {results['geometrizejs']['total']:.2f} CPU seconds")
    return results


def measured(case: Case) -> dict[str, float]:
    """Runs a fit as a process of its own: CPU seconds of each part, their total, and PSNR."""
    with tempfile.TemporaryDirectory(prefix="diffbmp-bench-") as scratch:
        folder = Path(scratch)
        _write_pictures(folder, case)
        options = {"count": case.count, "size": case.size, "iterations": case.iterations, "recipe": case.recipe}
        options |= {"threads": 1, "seed": 0, "templates": folder / "stamps", "out": folder / "out"}
        command = [sys.executable, "-m", "backend", "fit", str(folder / "target.png")]
        command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
        spent = _cpu_seconds(command, ROOT)
        metrics: dict[str, Any] = json.loads((folder / "out" / "metrics.json").read_text(encoding="utf-8"))
    parts: dict[str, float] = metrics["cpu"]
    total = max(spent, sum(parts.get(name, 0.0) for name in (*PARTS, "other")))
    shown = {name: parts[name] for name in PARTS if name in parts}
    rest = total - sum(shown.values())
    return {**shown, "rest": rest, KERNELS: parts.get(KERNELS, 0.0), "total": total, "psnr": metrics["psnr"]}


def geometrized(case: Case, folder: Path) -> dict[str, float]:
    """Has geometrizejs, installed in a folder, make the same target of as many circles: CPU seconds, and PSNR.

    Raises UserError where it, or Node.js, is not installed.
    """
    if not (folder / "node_modules" / "geometrizejs").is_dir():
        raise UserError(f"There is no geometrizejs in {quoted(folder)}: run npm install geometrizejs in it")
    pixels = np.rint(_target(case.size) * 255).astype(np.uint8).transpose(1, 2, 0)
    rgba = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    with tempfile.TemporaryDirectory(prefix="diffbmp-bench-") as scratch:
        file = Path(scratch, "pixels")
        file.write_bytes(rgba.tobytes())
        total = _cpu_seconds(["node", "-e", _GEOMETRIZE, "--", str(file), str(case.size), str(case.count)], folder)
        made = np.frombuffer(file.read_bytes(), np.uint8).reshape(rgba.shape)
    return {"total": total, "psnr": psnr(planes_of(made)[0], planes_of(rgba)[0])}


def _cpu_seconds(command: Sequence[str], folder: Path) -> float:
    """Runs a command in a folder, and returns its CPU seconds. Raises UserError where it fails."""
    before = _spent_by_children()
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST, check=False
        )
    except OSError as error:
        raise UserError(f"{Path(command[0]).name} did not start: install it ({error.strerror})") from error
    if done.returncode != 0:
        raise UserError(f"A fit failed: {done.stderr.strip().rpartition(chr(10))[2]}")
    return _spent_by_children() - before


def _spent_by_children() -> float:
    """The CPU seconds of processes that have ended; 0 on Windows, where they are unknown."""
    if sys.platform == "win32":
        return 0.0
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _target(size: int) -> FloatArray:
    """Waves, and a disc with an edge: [3, size, size]."""
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j].astype(np.float32)
    waves = np.stack([0.5 + 0.5 * np.sin(9 * x * y + 3 * x + channel) for channel in range(3)])
    return np.where(np.hypot(x - 0.4, y - 0.5) < 0.2, 1.0 - waves, waves)


def _write_pictures(folder: Path, case: Case) -> None:
    """Writes target.png, and stamps/ of discs, which differ where there are several."""
    save_png(folder / "target.png", _target(min(case.size, _TARGET)))
    y, x = (np.mgrid[:_STAMP, :_STAMP] + 0.5) / (_STAMP / 2) - 1
    for number in range(case.stamps):
        flat = 1.0 + 2.0 * number / case.stamps  # discs, and ever flatter ellipses
        alpha = np.clip((0.95 - np.hypot(x, flat * y)) * _STAMP / 2, 0, 1)
        pixels = np.dstack([np.zeros((_STAMP, _STAMP, 3)), np.rint(alpha * 255)]).astype(np.uint8)
        save_png(folder / "stamps" / f"{number:03d}.png", pixels)


def explain(results: dict[str, dict[str, float]]) -> str:
    """Formats the results as a table in Markdown: CPU seconds in all, PSNR, and the share of each part in percent."""
    columns = (*PARTS, KERNELS)
    rows = [["fit", "CPU s", "PSNR, dB", *columns], ["---"] * (len(columns) + 3)]
    for name, parts in results.items():
        shares = [f"{100 * parts[part] / parts['total']:.0f} %" if part in parts else "" for part in columns]
        case = CASES.get(name)
        label = f"`{name}`: {case}" if case else f"`{name}`, as `{PEER}`"
        rows.append([label, f"{parts['total']:.2f}", f"{parts['psnr']:.2f}", *shares])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
