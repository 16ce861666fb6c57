"""The descent of the recipe: what it holds at a time."""

from __future__ import annotations

import tracemalloc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from backend.fitting import fit
from backend.fitting.default import descent
from backend.fitting.default.descent import DefaultDescent
from backend.fitting.default.stage import Stage
from backend.fitting.random import Random
from backend.job import Settings
from backend.native.arrays import FloatArray
from backend.templates import Templates
from tests.backend.support.pictures import disc

SETTINGS = Settings(count=64, iterations=8, threads=1, engine="cpu")


def target(size: int) -> FloatArray:
    return np.ascontiguousarray(Random(0).uniform(3, size // 16, size // 16).repeat(16, 1).repeat(16, 2))


def test_a_stage_is_gone_before_the_next_one_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[Stage]] = []
    make = DefaultDescent._stage_of

    def watched(self: DefaultDescent, shrink: int) -> Stage:
        assert all(earlier() is None for earlier in made)
        stage = make(self, shrink)
        made.append(weakref.ref(stage))
        return stage

    monkeypatch.setattr(DefaultDescent, "_stage_of", watched)
    monkeypatch.setattr(descent, "DEFAULT", replace(descent.DEFAULT, working_size=16.0, working_spacing=2.0))
    fit(target(64), Templates([disc()]), SETTINGS)
    assert len(made) == 3  # a quarter, a half, the whole


def test_a_fit_holds_few_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.fitting.judge.STRIP_SAMPLES", 2**15)  # as small against the canvas as on a large one
    size = 1024
    picture = target(size)
    tracemalloc.start()
    try:
        fit(picture, Templates([disc()]), replace(SETTINGS, count=500, iterations=4))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Weight 1, picture 3, loss map 1, edges 0.75, and the engine's pairs; the target is another 3.
    assert peak < 7.5 * 4 * size**2
