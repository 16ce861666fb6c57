"""The quality bench: how well, and how fast, pictures are made of stamps by `python -m backend fit`, start-up included.

A folder holds targets/ and templates/ with pictures; every target is fitted with every template alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .files import UserError

ROOT = Path(__file__).resolve().parent.parent
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
LONGEST_FIT = 600  # seconds

_METRICS = ("psnr", "ssim", "psnr_aa", "ssim_aa")


@dataclass(frozen=True)
class QualityRow:
    """One fit. psnr in dB; `aa` is the supersampled picture; seconds are those of the whole process."""

    target: str
    template: str
    psnr: float
    ssim: float
    psnr_aa: float
    ssim_aa: float
    seconds: float


def run(
    folder: Path, *, count: int = 1000, size: int = 512, iterations: int = 100, seed: int = 0
) -> list[dict[str, Any]]:
    """Fits every picture in folder/targets with every stamp in folder/templates: one QualityRow, as a dict, each.

    Raises UserError for a folder without them, and for a fit that fails.
    """
    options = {"count": count, "size": size, "iterations": iterations, "seed": seed}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    templates = _pictures(folder / "templates")
    return [
        asdict(_fit(target, template, arguments)) for target in _pictures(folder / "targets") for template in templates
    ]


def explain(rows: list[dict[str, Any]]) -> str:
    """The rows as a table for people, with their mean."""
    mean: dict[str, Any] = {name: sum(row[name] for row in rows) / len(rows) for name in (*_METRICS, "seconds")}
    lines = [f"{'target':<16} {'template':<16} {'psnr':>6} {'ssim':>6} {'aa':>6} {'ssim':>6} {'time':>8}"]
    for row in [*rows, {"target": "mean", "template": "", **mean}]:
        numbers = f"{row['psnr']:6.2f} {row['ssim']:6.3f} {row['psnr_aa']:6.2f} {row['ssim_aa']:6.3f}"
        lines.append(f"{row['target']:<16} {row['template']:<16} {numbers} {row['seconds']:6.1f} s")
    return "\n".join(lines)


def _fit(target: Path, template: Path, arguments: list[str]) -> QualityRow:
    with tempfile.TemporaryDirectory(prefix="diffbmp-bench-") as scratch:
        out = Path(scratch) / "out"
        files = [str(target), "--templates", str(template), "--out", str(out)]
        command = [sys.executable, "-m", "backend", "fit", *files, *arguments]
        begin = time.perf_counter()
        process = subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_FIT,
            check=False,
        )
        seconds = time.perf_counter() - begin
        if process.returncode != 0:
            last = process.stderr.strip().rpartition("\n")[2]
            raise UserError(f"The fit of {target} with {template} failed: {last}")
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return QualityRow(target.stem, template.stem, **{name: metrics[name] for name in _METRICS}, seconds=seconds)


def _pictures(folder: Path) -> list[Path]:
    found = sorted(path.resolve() for path in folder.glob("*") if path.suffix.lower() in PICTURES)
    if not found:
        raise UserError(f"{folder} has no pictures: the quality bench needs a folder with targets/ and templates/")
    return found
