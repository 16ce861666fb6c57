"""The worker that starts before Optimize is pressed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from diffbmp.operators.fit import optimize, warm_up
from diffbmp.operators.process.warm_worker import WARM
from diffbmp.operators.process.worker import Worker
from diffbmp.operators.session.slots import INSTALL, RUN

from tests.addon.support.layout import shown
from tests.addon.support.scenes import make_scene

FAKE = Path(__file__).parents[1] / "support" / "fake_worker.py"

Timers = list[Any]


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Timers]:
    """What waits for Blender to be idle, as in a window."""
    WARM.clear()
    waiting: Timers = []
    stand_in = SimpleNamespace(register=waiting.append, is_registered=waiting.__contains__, unregister=waiting.remove)
    monkeypatch.setattr(warm_up, "bpy", SimpleNamespace(app=SimpleNamespace(background=False, timers=stand_in)))
    monkeypatch.setattr(warm_up, "worker_log", lambda: tmp_path / "log")
    use(monkeypatch, "finish")
    yield waiting
    WARM.clear()


def use(monkeypatch: pytest.MonkeyPatch, behavior: str) -> None:
    """Makes the worker a stand-in, also for Optimize."""
    for module in (warm_up, optimize):
        monkeypatch.setattr(module, "backend_call", lambda *arguments: [sys.executable, str(FAKE), behavior])


def become_idle(timers: Timers) -> None:
    while timers:
        timers.pop()()


def waiting() -> Worker | None:
    """The worker that waits for Optimize."""
    return WARM._worker


def wait_for_end() -> None:
    """Waits until the worker that waits has ended."""
    worker, end = waiting(), time.monotonic() + 60
    assert worker
    while worker.exit_code is None:
        assert time.monotonic() < end
        worker.poll()
        time.sleep(0.01)


def test_the_panel_starts_one_worker_that_optimize_takes(timers: Timers) -> None:
    shown()
    assert timers == [], "there is no target"
    scene = make_scene()
    shown(scene)
    shown(scene)
    assert waiting() is None, "not while it draws"
    assert len(timers) == 1
    become_idle(timers)
    worker = waiting()
    assert worker
    shown(scene)
    assert timers == []
    run = optimize.start_run(scene)
    assert run.worker is worker
    run.stop()


def test_no_worker_starts_beside_other_work(timers: Timers, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene()
    for slot in (RUN, INSTALL):
        monkeypatch.setattr(slot, "task", object())
        warm_up.warm_up(scene)
        monkeypatch.setattr(slot, "task", None)
    monkeypatch.setattr(warm_up.bpy.app, "background", True)
    warm_up.warm_up(scene)
    assert timers == []


def test_a_worker_that_waited_in_vain_is_replaced(timers: Timers, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "stranger")  # ends without an error
    scene = make_scene()
    warm_up.warm_up(scene)
    become_idle(timers)
    wait_for_end()
    first = waiting()
    warm_up.warm_up(scene)
    become_idle(timers)
    assert waiting() not in (None, first)


def test_a_worker_that_cannot_start_is_tried_once(timers: Timers, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene()
    use(monkeypatch, "no-torch")
    warm_up.warm_up(scene)
    become_idle(timers)
    wait_for_end()
    warm_up.warm_up(scene)
    assert timers == []
    WARM.clear()

    monkeypatch.setattr(warm_up, "backend_call", lambda *arguments: [str(FAKE / "nowhere")])
    warm_up.warm_up(scene)
    become_idle(timers)
    warm_up.warm_up(scene)
    assert timers == []


def test_nothing_starts_once_the_add_on_is_disabled(timers: Timers) -> None:
    warm_up.warm_up(make_scene())
    warm_up.stay_cold()
    assert timers == []
    warm_up.stay_cold()
