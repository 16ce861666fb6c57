"""The quality bench on generated pictures, and its summary on generated numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.bench.quality import WAYS, Plan, run, run_seeds
from backend.bench.quality_summary import explain, summarize, summarize_seeds
from backend.job import UserError

TINY = Plan(count=20, size=32, iterations=3, few=(2, 5), doubled=1)


def silent(line: str) -> None:
    """Ignores a line of progress."""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Makes a folder with a target `slope` and the stamps `block` and `wedge`."""
    pixels = np.full((24, 32, 4), 255, np.uint8)
    pixels[..., 0] = np.arange(32) * 8
    wedge = pixels.copy()
    wedge[..., 3] = np.arange(32) * 8
    for name, picture in (("targets/slope", pixels), ("templates/block", pixels), ("templates/wedge", wedge)):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)
    return tmp_path


def row(way: str, count: int, psnr: float, *, target: str = "a", seconds: float = 1.0, seed: int = 0) -> dict[str, Any]:
    quality = {"psnr": psnr, "ssim": psnr / 100, "psnr_aa": psnr, "ssim_aa": psnr / 100, "psnr_on_black": psnr - 0.5}
    return {"target": target, "template": "t", "way": way, "count": count, "seed": seed, "seconds": seconds, **quality}


def test_each_pair_is_fitted_in_each_way(pictures: Path) -> None:
    told: list[str] = []
    results = run(pictures, templates=["wedge"], plan=TINY, tell=told.append)
    rows = results["rows"]
    assert {(r["target"], r["template"]) for r in rows} == {("slope", "wedge")}
    assert {r["way"] for r in rows if r["count"] == TINY.count} == set(WAYS)
    assert all(r["psnr_aa"] > 5 and r["psnr_on_black"] > 5 for r in rows if r["way"] == "default" and r["count"] > 5)
    assert all(0 < r["seconds"] < 100 for r in [*rows, *results["processes"]])
    assert len(told) == len(rows) + len(results["processes"])
    json.dumps(results)
    table = explain(results)
    assert "default over paper" in table
    assert "\nmean  " in table


def test_compared_fits_alternate(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.bench.quality._process", lambda *case: {})
    rows = run(pictures, plan=TINY, tell=silent)["rows"]
    usual = [
        [r["way"] for r in rows if r["template"] == stamp and r["count"] >= TINY.count] for stamp in ("block", "wedge")
    ]
    assert usual[0] == usual[1][::-1]


def test_seeds_are_compared_with_the_anchor(pictures: Path) -> None:
    anchor = {"target": "slope", "template": "block", "count": TINY.count, "anchor": {"psnr": 10.0, "ssim": 0.5}}
    (pictures / "baseline.json").write_text(json.dumps({"rows": [anchor]}), encoding="utf-8")
    results = run_seeds(pictures, 2, templates=["block"], plan=TINY, tell=silent)
    assert [(r["way"], r["seed"]) for r in results["rows"]] == [("paper", 0), ("paper", 1)]
    mean = sum(r["psnr"] for r in results["rows"]) / 2
    assert results["seeds"]["anchor"] == pytest.approx(mean - 10.0)
    assert "mean difference" in explain(results)


def test_pictures_are_chosen_by_name(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no picture leaf: choose among block, wedge"):
        run(pictures, templates=["leaf"], tell=silent)
    with pytest.raises(UserError, match="targets"):
        run(tmp_path / "nowhere", tell=silent)


def test_gains_are_differences_of_means_and_ratios_of_times() -> None:
    rows = [row(way, 100, psnr, seconds=seconds) for way, psnr, seconds in WAY_FIGURES]
    rows += [row("paper", 200, 22), row("default", 200, 29), row("default", 10, 18), row("default", 40, 22)]
    summary = summarize(rows, 100)
    assert summary["gains"]["default"] == pytest.approx(
        {"psnr": 5, "ssim": 0.05, "psnr_aa": 5, "ssim_aa": 0.05, "time": 0.5}
    )
    assert summary["gains"]["stretch"]["psnr_aa"] == pytest.approx(6)
    assert summary["doubled"]["psnr_aa"] == pytest.approx(7)
    assert summary["linear"]["psnr_aa"] == pytest.approx(-0.2)
    assert summary["linear"]["time"] == pytest.approx(1.5)
    assert summary["on_black"]["psnr_aa"] == pytest.approx(-0.5)
    # 20 dB are halfway between 10 and 40 primitives on a logarithmic scale.
    assert summary["needed"]["count"] == pytest.approx(20)
    assert summary["needed"]["beyond"] == 0


WAY_FIGURES = [("paper", 20.0, 4.0), ("default", 25.0, 2.0), ("stretch", 26.0, 3.0), ("linear", 24.8, 3.0)]


@pytest.mark.parametrize(("goal", "count", "beyond"), [(17.0, 10, -1), (29.0, 200, 1)])
def test_needed_primitives_outside_the_measured_range(goal: float, count: int, beyond: int) -> None:
    rows = [row(way, 100, psnr) for way, psnr, _ in WAY_FIGURES if way != "paper"]
    rows += [row("paper", 100, goal), row("paper", 200, goal), row("default", 200, 28), row("default", 10, 18)]
    pair = summarize(rows, 100)["needed"]["pairs"][0]
    assert (pair["beyond"], pair["count"]) == (beyond, count)


def test_spread_over_seeds() -> None:
    summary = summarize_seeds([row("paper", 100, psnr, seed=seed) for seed, psnr in enumerate((20, 21, 22))], [])
    assert summary["pairs"][0]["spread"] == pytest.approx(2)
    assert summary["pairs"][0]["psnr"] == pytest.approx(21)
    assert summary["anchor"] is None
