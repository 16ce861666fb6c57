"""How an operator watches a task. The test sends a window's events: bpy as a module has none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from diffbmp.operators.session.notice import NOTICE
from diffbmp.operators.session.slots import Slot
from diffbmp.operators.session.watching import Watching

TIMER = SimpleNamespace(type="TIMER")
MOUSE = SimpleNamespace(type="MOUSEMOVE")


class FakeTask:
    """A task that is active for some updates, each with news."""

    def __init__(self, updates: int) -> None:
        self.left = updates
        self.stopped = 0

    @property
    def active(self) -> bool:
        return self.left > 0

    def update(self) -> bool:
        self.left -= 1
        return True

    def stop(self) -> None:
        self.stopped += 1
        self.left = 0


class Operator(Watching):
    def __init__(self) -> None:
        self.slot = Slot()
        self.finished: list[Any] = []
        self.shown = 0

    def finish(self, task: Any) -> set[str]:
        assert self.slot.task is task
        self.finished.append(task)
        return {"FINISHED"}

    def show(self, task: Any) -> None:
        self.shown += 1


def test_events_pass_through_until_the_task_has_ended() -> None:
    operator, task = Operator(), FakeTask(2)
    operator.slot.task = task
    assert operator.modal(bpy.context, MOUSE) == {"PASS_THROUGH"}
    assert task.left == 2
    assert operator.modal(bpy.context, TIMER) == {"PASS_THROUGH"}
    assert operator.modal(bpy.context, TIMER) == {"FINISHED"}
    assert operator.finished == [task]
    assert operator.slot.task is None
    assert task.stopped == 0


def test_a_cleared_slot_ends_the_operator() -> None:
    """This happens when the add-on is disabled meanwhile."""
    operator, task = Operator(), FakeTask(100)
    operator.slot.task = task
    operator.modal(bpy.context, TIMER)
    operator.slot.clear()
    assert task.stopped == 1
    assert operator.modal(bpy.context, TIMER) == {"CANCELLED"}
    operator.slot.clear()
    assert task.stopped == 1


def test_closing_blender_stops_the_task() -> None:
    operator, task = Operator(), FakeTask(100)
    operator.slot.task = task
    operator.cancel(bpy.context)
    assert task.stopped == 1
    assert not operator.finished


def test_background_mode_waits_and_shows_progress() -> None:
    operator, task = Operator(), FakeTask(3)
    assert operator.watch(bpy.context, task) == {"FINISHED"}
    assert operator.shown == 3
    assert operator.slot.task is None


def test_an_interrupt_in_background_stops_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    operator, task = Operator(), FakeTask(100)

    def interrupt(task: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(operator, "show", interrupt)
    with pytest.raises(KeyboardInterrupt):
        operator.watch(bpy.context, task)
    assert task.stopped == 1
    assert operator.slot.task is None


def test_an_error_in_finish_frees_the_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = Operator()

    def fail(task: Any) -> set[str]:
        raise ValueError

    monkeypatch.setattr(operator, "finish", fail)
    with pytest.raises(ValueError):  # noqa: PT011  any would do
        operator.watch(bpy.context, FakeTask(1))
    assert operator.slot.task is None


def test_a_notice_is_kept_for_the_panel() -> None:
    NOTICE.tell("something", is_error=True)
    assert (NOTICE.text, NOTICE.is_error) == ("something", True)
    NOTICE.tell("")
    assert not NOTICE.is_error


class Failing(FakeTask):
    def update(self) -> bool:
        raise ValueError("the scene was changed")


def test_a_task_that_fails_unexpectedly_does_not_block_the_slot() -> None:
    operator, task = Operator(), Failing(2)
    operator.slot.task = task
    with pytest.raises(ValueError, match="was changed"):
        operator.modal(bpy.context, TIMER)
    assert operator.slot.task is None
    assert task.stopped == 1
    assert "Something went wrong" in NOTICE.text
