"""The shares bench on a tiny fit."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from backend.bench import shares
from backend.bench.shares import Case, explain, run
from backend.job import UserError


def test_a_fits_seconds_are_told_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "CASES", {"tiny": Case(48, 10, 2, stamps=3), "huge": Case(10**6, 1, 1)})
    told: list[str] = []
    results = run([], told.append)
    assert list(results) == ["tiny"]
    numbers = results["tiny"]
    parts = {name: value for name, value in numbers.items() if name in shares.PARTS}
    assert set(numbers) - set(parts) == {"kernels", "total", "psnr"}
    assert sum(parts.values()) == pytest.approx(numbers["total"], abs=0.01)
    assert {"start", "read", "initialize", "steps", "judge", "save", "rest"} <= set(parts)
    assert min(parts["start"], parts["steps"]) > 0.0 <= parts["rest"]
    assert 5.0 < numbers["psnr"] < 50.0
    head, ruler, row = (line.strip("| ").split(" | ") for line in explain(results).splitlines())
    assert head == ["fit", "CPU s", "PSNR, dB", *shares.PARTS, "kernels"]
    assert set(ruler) == {"---"}
    assert row[:2] == ["`tiny`: 48 px, 10, 2 steps, 3 stamps", f"{numbers['total']:.2f}"]
    assert row[6] == f"{100 * parts['steps'] / numbers['total']:.0f} %"
    assert told[0].startswith("tiny: ")


NODE = """#!/bin/sh
shift 3; printf 'called %s %s %s' "$(basename $1)" $2 $3 > called
"""


@pytest.mark.skipif(sys.platform == "win32", reason="stands in for Node.js by a script of the shell")
def test_a_peer_makes_the_same_target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.write_text(NODE)
    node.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(shares, "CASES", {"few": Case(32, 7, 1)})
    (tmp_path / "node_modules" / "geometrizejs").mkdir(parents=True)
    results = run(["few"], lambda line: None, tmp_path)
    assert (tmp_path / "called").read_text() == "called pixels 32 7"
    assert results["geometrizejs"]["psnr"] == 100.0  # the target itself lies there still
    assert explain(results).splitlines()[-1].startswith("| `geometrizejs`, as `few` | 0.")


def test_a_missing_peer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="npm install geometrizejs"):
        shares.geometrized(Case(32, 7, 1), tmp_path)
    (tmp_path / "node_modules" / "geometrizejs").mkdir(parents=True)
    with pytest.raises(UserError, match="node did not start: install it"):
        shares.geometrized(Case(32, 7, 1), tmp_path)


def test_unknown_cases_are_named() -> None:
    with pytest.raises(UserError, match="There is no case 'vast': choose among tiny"):
        run(["vast"], print)
