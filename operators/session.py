"""What goes on in this Blender session: the processes that operators watch, and the latest thing to tell the user.

It is kept here and not in the scene, because it must neither be undone nor saved.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from time import sleep
from typing import Any, Protocol

import bpy

from ..backend.job import UserError

TIMER_SECONDS = 0.05


class Task(Protocol):
    """A process of the backend, seen from its operator. No method waits, but for `stop`: a second at most."""

    @property
    def active(self) -> bool: ...

    def update(self) -> bool:
        """Takes in what is new. Returns whether anything is."""
        ...

    def stop(self) -> None: ...


@dataclass
class Slot:
    """Room for one task and the timer by which its modal operator watches it.

    It is no generic class: typing would keep that alive, and so bpy, which then hangs at the exit of a script in 4.5.
    """

    task: Any = None  # a Task, or None
    scene: int = 0  # session_uid of the scene that the task belongs to: it may be renamed meanwhile
    timer: Any = None

    def clear(self) -> None:
        """Ends the task and its timer, whatever their state; harmless where there is none."""
        timer, task = self.timer, self.task
        self.task, self.scene, self.timer = None, 0, None
        if timer is not None:
            bpy.context.window_manager.event_timer_remove(timer)
        if task is not None and task.active:
            task.stop()
        redraw()


SLOTS: list[Slot] = []
"""Those whose tasks change their scene at the end: see is_busy."""


def is_busy(scene: bpy.types.Scene) -> bool:
    """Whether a task will change what the scene shows."""
    return any(slot.task is not None and slot.scene == scene.session_uid for slot in SLOTS)


class EditsLists:
    """An operator that adds, removes or moves entries of a list, which must not be while a task reads that."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if any(getattr(slot.task, "state", "") == "collecting" for slot in SLOTS):
            cls.poll_message_set("The optimization is reading the scene: wait a moment")  # type: ignore[attr-defined]
            return False
        return True


@dataclass
class Notice:
    """The sentence at the end of the panel."""

    text: str = ""
    is_error: bool = False
    action: str = ""  # what mends it: see UserError

    def tell(self, text: str, is_error: bool = False, action: str = "") -> None:
        self.text, self.is_error, self.action = text, is_error, action
        redraw()

    def fail(self, error: UserError) -> None:
        self.tell(error.message, is_error=True, action=error.action)


NOTICE = Notice()


class Watching:
    """What an operator needs to watch a task without blocking Blender, or with, where there are no events."""

    slot: Slot
    """The operator's, shared by all its calls."""

    def finish(self, task: Any) -> set[str]:
        """The task has ended by itself: says so, and returns the operator's result. The slot still holds it."""
        raise NotImplementedError

    def show(self, task: Any) -> None:
        """Something is new; called in background mode only."""

    def look(self, task: Any) -> None:
        """Something is new; called where there is a window only."""

    def watch(self, context: bpy.types.Context, task: Any) -> set[str]:
        """Begins to watch; what execute() returns."""
        self.slot.task, self.slot.scene = task, context.scene.session_uid
        if bpy.app.background:
            return self._wait(task)
        manager = context.window_manager
        self.slot.timer = manager.event_timer_add(TIMER_SECONDS, window=context.window)
        manager.modal_handler_add(self)
        redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        task = self.slot.task
        if task is None:  # cleared by unregister()
            return {"CANCELLED"}
        if event.type == "TIMER":
            failed = True
            try:
                if task.update():
                    self.look(task)
                    redraw()
                failed = False
            finally:
                if failed:  # Blender ends the operator, and nobody would ever clear the slot
                    self._drop(task)
                    NOTICE.tell("Something went wrong, which Blender's console names: copy a report", is_error=True)
            if not task.active:
                return self._end(task)
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender calls this when it closes, opens another file, or the operator's window is closed."""
        if self.slot.task is not None:
            self._drop(self.slot.task)

    def dropped(self, task: Any) -> None:
        """The task is about to be ended, because nobody can watch it any more."""

    def _drop(self, task: Any) -> None:
        try:
            self.dropped(task)
        finally:
            self.slot.clear()

    def _wait(self, task: Any) -> set[str]:
        try:
            while task.active:
                sleep(TIMER_SECONDS)
                if task.update():
                    self.show(task)
            return self._end(task)
        finally:
            self.slot.clear()

    def _end(self, task: Any) -> set[str]:
        try:
            return self.finish(task)
        finally:
            self.slot.clear()


def counted(items: Iterable[Any], total: int) -> Generator[Any, None, None]:
    """The items, while Blender's pointer shows how many of them there were yet."""
    manager = bpy.context.window_manager
    manager.progress_begin(0, total)
    try:
        for number, item in enumerate(items, 1):
            manager.progress_update(number)
            yield item
    finally:
        manager.progress_end()


def redraw() -> None:
    """Has the sidebars and the preferences drawn again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "PREFERENCES", "IMAGE_EDITOR"):
                area.tag_redraw()
