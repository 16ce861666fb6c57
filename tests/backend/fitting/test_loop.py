"""The loop of a fit on a descent that only counts, and what it is made of."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import SupportsFloat

import numpy as np
import pytest

from backend.control import Control
from backend.fitting.clock import Clock
from backend.fitting.loop import descend
from backend.fitting.primitives import Primitives
from backend.fitting.record import READ_EVERY, Record
from backend.fitting.reporter import Reporter, Snapshot
from backend.job import Layout, Settings
from backend.native.arrays import FloatArray
from backend.templates import Template, Templates

CONTROL = Control()


class Counting:
    """A descent whose losses and phases are given, and whose primitives' x is the step."""

    def __init__(self, losses: list[float], phases: list[float] | None = None, waits: bool = False) -> None:
        self.losses, self.phases, self.waits = losses, phases or [0.0] * len(losses), waits
        self.step, self.phase, self.calls = 0, 0.0, ""

    def evaluate(self, step: int, progress: float) -> SupportsFloat:
        self.step, self.phase = step, self.phases[step]
        self.calls += "e"
        return self.losses[step]

    def accepts(self, loss: float) -> bool:
        return math.isfinite(loss)

    def advance(self, progress: float) -> None:
        self.calls += "a"

    @property
    def state(self) -> Callable[[], Primitives]:
        step = self.step
        return lambda: Primitives.new(np.full((1, 9), step, np.float32), np.zeros(1, np.int64))

    def finished(self, primitives: Primitives) -> Primitives:
        self.calls += "f"
        return primitives

    def judge(self, primitives: Primitives) -> tuple[FloatArray, float]:
        return np.zeros((3, 2, 2), np.float32), self.psnr(primitives)

    def psnr(self, primitives: Primitives) -> float:
        return float(primitives.params[0, 0])

    def layout(self, primitives: Primitives) -> Layout:
        stamps = Templates([Template("stamp", np.full((1, 1, 4), 255, np.uint8))])
        return primitives.to_layout(np.zeros((1, 2), np.int64), stamps, Settings(), 2, 2)


def settings(iterations: int, **changed: float) -> Settings:
    return Settings(iterations=iterations, **{"preview_seconds": 0.0, **changed})  # type: ignore[arg-type]


def best_of(losses: list[float], phases: list[float] | None = None) -> float:
    """The step whose state is the result."""
    own = settings(len(losses) - 1)
    return float(descend(Counting(losses, phases), Clock(own), own, None, CONTROL).layout.x[0, 0])


def test_each_step_is_evaluated_and_then_made_but_the_last_one() -> None:
    descent, own = Counting([3.0, 2.0, 1.0]), settings(2)
    result = descend(descent, Clock(own), own, None, CONTROL)
    assert descent.calls == "eaeaef"
    assert (result.steps, result.loss, result.psnr, result.cancelled) == (2, 1.0, 2.0, False)


def test_the_least_loss_of_the_latest_phase_is_the_result() -> None:
    assert best_of([3.0, 1.0, 2.0]) == 1
    assert best_of([3.0, 1.0, 5.0, 6.0], [0, 0, 1, 1]) == 2
    assert best_of([3.0, 1.0, 1.0]) == 1
    assert best_of([3.0, math.nan, 4.0, math.inf]) == 0
    # An estimate is in a phase below the losses that it is not compared with.
    assert best_of([0.1, 3.0, 0.2, 2.0, 0.3], [-0.5, 0, -0.5, 0, -0.5]) == 3
    # Where there is no number at all, the latest.
    assert best_of([math.nan, math.inf]) == 1


def test_a_cancelled_fit_ends_with_the_step_that_it_is_at() -> None:
    control, descent, own = Control(), Counting([3.0, 2.0, 1.0]), settings(2)

    def watch(snapshot: Snapshot) -> None:
        if snapshot.step == 1:
            control.cancel()

    result = descend(descent, Clock(own), own, watch, control)
    assert (descent.calls, result.steps, result.cancelled, result.loss) == ("eaef", 1, True, 2.0)


def test_losses_of_a_device_are_read_some_at_a_time() -> None:
    """The first one at once; what is read is the latest of them."""
    descent = Counting([float(20 - step) for step in range(20)], waits=True)
    record = Record(descent)
    seen = []
    for step in range(20):
        record.add(descent.evaluate(step, 0.0))
        seen.append(record.loss)
        record.advance(step)
    primitives, least = record.best
    assert seen == [20.0 - (step // READ_EVERY * READ_EVERY - (step >= READ_EVERY)) for step in range(20)]
    assert least == 1.0
    assert primitives.params[0, 0] == 19.0


def test_the_clock_leaves_pauses_out_and_hurries_where_time_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("backend.fitting.clock.time", SimpleNamespace(perf_counter=lambda: now[0]))
    clock, hurried = Clock(settings(10)), Clock(settings(10, time_limit=20.0))
    now[0] = 108.0
    assert clock.seconds == 8.0
    assert (clock.progress(2), hurried.progress(2)) == (0.2, 0.4)
    hurried.exclude(6.0)
    assert hurried.seconds == 2.0
    assert hurried.progress(2) == 0.2


def test_previews_come_when_they_are_due_and_take_a_tenth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is followed by a pause nine times as long, with all that the observer does with it."""
    ticks = itertools.count()
    monkeypatch.setattr("backend.fitting.reporter.time", SimpleNamespace(perf_counter=lambda: 1.0 * next(ticks)))
    descent, own = Counting([float(30 - step) for step in range(31)]), settings(30, preview_seconds=0.1)
    seen: list[Snapshot] = []
    descend(descent, Clock(own), own, seen.append, CONTROL)
    # A preview reads the clock twice, a step without one once.
    assert [snapshot.step for snapshot in seen if snapshot.image is not None] == [0, 9, 18, 27]
    assert [snapshot.psnr for snapshot in seen] == [0.0] * 9 + [9.0] * 9 + [18.0] * 9 + [27.0] * 4

    def slow(snapshot: Snapshot) -> None:
        seen.append(snapshot)
        if snapshot.image is not None:
            next(ticks)

    seen.clear()
    descend(descent, Clock(own), own, slow, CONTROL)
    assert [snapshot.step for snapshot in seen if snapshot.image is not None] == [0, 18]
    seen.clear()
    own = settings(30, preview_seconds=12.5)
    descend(descent, Clock(own), own, seen.append, CONTROL)
    assert [snapshot.step for snapshot in seen if snapshot.image is not None] == [0, 13, 26]


def test_a_recording_is_dense_at_first() -> None:
    """Of 5 pictures the last is the result; the others are due from (i / 4)^2 of the steps on."""
    descent, own = Counting([1.0] * 33), settings(32, recording=5)
    seen: list[Snapshot] = []
    descend(descent, Clock(own), own, seen.append, CONTROL)
    assert [snapshot.step for snapshot in seen if snapshot.current is not None] == [0, 2, 8, 18]


def test_the_total_is_the_steps_that_time_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the time for 5 steps: 20 in all, and three times as long as until now."""
    descent, own = Counting([1.0] * 11), settings(1000, time_limit=40.0)
    now = [0.0]
    monkeypatch.setattr("backend.fitting.clock.time", SimpleNamespace(perf_counter=lambda: now[0]))
    clock = Clock(own)
    now[0] = 10.0
    seen: list[Snapshot] = []
    record = Record(descent)
    record.add(descent.evaluate(5, 0.25))
    Reporter(descent, clock, own, seen.append).report(5, clock.progress(5), record)
    assert (seen[0].total, seen[0].seconds_left) == (20, 30.0)
