"""The quality bench: the quality of pictures and the time of fits by recipe and setting.

A folder has pictures in targets/ and templates/. Each target is made of each template alone (a pair). Fits to compare
alternate, so that ratios of times are for the same load of the machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..control import Control
from ..fitting import fit
from ..job import Job, Limits, Settings, TemplateSpec, UserError
from ..metrics.picture import Comparison, decibels
from ..runs.inputs import load_pictures
from ..runs.measure import add_smooth, judge
from ..templates import load_templates
from .quality_summary import explain, summarize, summarize_seeds  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
LONGEST_FIT = 600  # s, of a process
BLACK = (0.0, 0.0, 0.0)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Way:
    """A way of fitting to compare."""

    recipe: str = "default"
    space: str = "display"
    stretch: float = 1.0


WAYS = {"paper": Way("paper"), "default": Way(), "stretch": Way(stretch=3.0), "linear": Way(space="linear")}


@dataclass(frozen=True)
class Plan:
    """The amount of measurements per pair."""

    count: int = 1000
    size: int = 512  # px
    iterations: int = 100
    few: tuple[int, ...] = (50, 100, 150, 200, 300)  # primitives, to find how many `default` needs to equal `paper`
    doubled: int = 2  # first targets that are also made of twice as many primitives


QUICK = Plan(count=60, size=96, iterations=10, few=(10, 30), doubled=1)
"""A smoke test: its numbers mean nothing."""


@dataclass(frozen=True)
class Case:
    """One fit."""

    target: Path
    template: Path
    way: str
    count: int
    seed: int = 0


@dataclass(frozen=True)
class QualityRow:
    """The result of a fit. psnr: dB. aa: of the supersampled picture. on_black: of that picture on a black canvas.

    seconds: of the fit alone, without the start of the process, and reading and writing of files.
    """

    target: str
    template: str
    way: str
    count: int
    seed: int
    psnr: float
    ssim: float
    psnr_aa: float
    ssim_aa: float
    psnr_on_black: float
    seconds: float


def run(
    folder: Path, *, targets: Sequence[str] = (), templates: Sequence[str] = (), plan: Plan | None = None, tell: Tell
) -> dict[str, Any]:
    """Measures the pictures of folder/targets and folder/templates, or those with the given names.

    Returns rows (QualityRow), processes (seconds of whole processes, by pair) and their summary
    (quality_summary.summarize). Calls tell with a line after each fit. Raises UserError where pictures are missing or a
    fit fails.
    """
    plan = plan or Plan()
    pairs = _pairs(folder, targets, templates)
    _warm_up(pairs[0], plan)
    rows = [_measured(case, plan, tell) for case in _cases(pairs, plan)]
    processes = [_process(target, template, plan, tell) for target, template in pairs]
    summary = summarize([asdict(row) for row in rows], plan.count)
    return {"plan": asdict(plan), "rows": [asdict(row) for row in rows], "processes": processes, "summary": summary}


def run_seeds(
    folder: Path,
    seeds: int,
    *,
    targets: Sequence[str] = (),
    templates: Sequence[str] = (),
    plan: Plan | None = None,
    tell: Tell,
) -> dict[str, Any]:
    """Measures the recipe `paper` with several seeds per pair against the `anchor` in folder/baseline.json, if any.

    The file has {"rows": [{"target", "template", "count", "anchor": {"psnr", "ssim"}}]}. Raises UserError as run does.
    """
    plan = plan or Plan()
    pairs = _pairs(folder, targets, templates)
    cases = [Case(*pair, "paper", plan.count, seed) for pair in pairs for seed in range(seeds)]
    rows = [asdict(_measured(case, plan, tell)) for case in cases]
    file = folder / "baseline.json"
    anchor = json.loads(file.read_text(encoding="utf-8")).get("rows", []) if file.exists() else []
    return {"plan": asdict(plan), "rows": rows, "seeds": summarize_seeds(rows, anchor)}


def _cases(pairs: list[tuple[Path, Path]], plan: Plan) -> Iterator[Case]:
    targets = list(dict.fromkeys(target for target, _ in pairs))
    for i, pair in enumerate(pairs):
        cases = [Case(*pair, way, plan.count) for way in WAYS]
        if pair[0] in targets[: plan.doubled]:
            cases += [Case(*pair, way, 2 * plan.count) for way in ("paper", "default")]
        yield from cases if i % 2 == 0 else reversed(cases)
        yield from (Case(*pair, "default", count) for count in plan.few)


def _warm_up(pair: tuple[Path, Path], plan: Plan) -> None:
    """Loads in advance what the first fit would load within its time."""
    _measured(Case(*pair, "paper", 2), replace(plan, iterations=1), lambda line: None)
    _measured(Case(*pair, "default", 2), replace(plan, iterations=1), lambda line: None)


def _measured(case: Case, plan: Plan, tell: Tell) -> QualityRow:
    way = WAYS[case.way]
    settings = Settings(case.count, plan.size, plan.iterations, seed=case.seed, recipe=way.recipe, space=way.space)
    job = Job(str(case.target), [TemplateSpec(str(case.template), limits=Limits(stretch=way.stretch))], settings)
    target, weight = load_pictures(job)
    templates = load_templates(job.templates)  # again each time: a fit's time includes mip levels
    result = fit(target, templates, settings, weight=weight)
    _, metrics = judge(result, target, weight, templates, settings, Control())
    black_target, _ = load_pictures(replace(job, settings=replace(settings, background=BLACK)))
    on_black = Comparison(black_target, weight, windows=False)
    add_smooth(on_black, replace(result.layout, background=BLACK), templates, settings, Control())
    row = QualityRow(
        target=case.target.stem,
        template=case.template.stem,
        way=case.way,
        count=case.count,
        seed=case.seed,
        **{name: metrics[name] for name in ("psnr", "ssim", "psnr_aa", "ssim_aa")},
        psnr_on_black=decibels(on_black.error()),
        seconds=result.seconds,
    )
    tell(f"{row.target}, {row.template}, {row.way}, {row.count}: {row.psnr_aa:.2f} dB in {row.seconds:.1f} s")
    return row


def _process(target: Path, template: Path, plan: Plan, tell: Tell) -> dict[str, Any]:
    """Measures the whole process of the command `fit`."""
    options = {"count": plan.count, "size": plan.size, "iterations": plan.iterations}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    with tempfile.TemporaryDirectory(prefix="diffbmp-bench-") as scratch:
        files = [str(target), "--templates", str(template), "--out", str(Path(scratch, "out"))]
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
    tell(f"{target.stem}, {template.stem}, a whole process: {seconds:.1f} s")
    return {"target": target.stem, "template": template.stem, "seconds": seconds}


def _pairs(folder: Path, targets: Sequence[str], templates: Sequence[str]) -> list[tuple[Path, Path]]:
    stamps = _pictures(folder / "templates", templates)
    return [(target, stamp) for target in _pictures(folder / "targets", targets) for stamp in stamps]


def _pictures(folder: Path, names: Sequence[str]) -> list[Path]:
    """The pictures of a folder: all, sorted, or those with these names (without suffix), in this order."""
    found = {path.stem: path.resolve() for path in sorted(folder.glob("*")) if path.suffix.lower() in PICTURES}
    if not found:
        raise UserError(f"{folder} has no pictures: use a folder with pictures in targets/ and templates/")
    missing = [name for name in names if name not in found]
    if missing:
        raise UserError(f"{folder} has no picture {missing[0]}: choose among {', '.join(found)}")
    return [found[name] for name in names or found]
