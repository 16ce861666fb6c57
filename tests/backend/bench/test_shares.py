"""The shares bench on a tiny fit."""

from __future__ import annotations

import pytest

from backend.bench import shares
from backend.bench.shares import Case, explain, run
from backend.job import UserError


def test_a_fits_seconds_are_told_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "CASES", {"tiny": Case(48, 10, 2, stamps=3), "huge": Case(10**6, 1, 1)})
    told: list[str] = []
    results = run([], told.append)
    assert list(results) == ["tiny"]
    parts = dict(results["tiny"])
    total, kernels = parts.pop("total"), parts.pop(shares.KERNELS)
    assert 0.0 < kernels < total
    assert sum(parts.values()) == pytest.approx(total, abs=0.01)
    assert set(parts) <= set(shares.PARTS)
    assert {"start", "read", "initialize", "steps", "judge", "save"} <= set(parts)
    assert min(parts["start"], parts["steps"]) > 0.0
    head, row = explain(results).splitlines()
    assert head.split()[2:] == ["total", *shares.PARTS, shares.KERNELS]
    assert row.split()[0] == "tiny"
    assert told[0].startswith("tiny: ")


def test_unknown_cases_are_named() -> None:
    with pytest.raises(UserError, match="There is no case vast: choose among tiny"):
        run(["vast"], print)
