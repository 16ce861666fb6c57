"""Operators that watch a task until it ends."""

from __future__ import annotations

from time import sleep
from typing import Any, Protocol

import bpy

from .notice import NOTICE
from .screen import redraw
from .slots import Slot

TIMER_SECONDS = 0.02
"""How often a task is asked for news: each costs little, and the first picture of a fit waits for two."""


class Task(Protocol):
    """A process of the backend, as its operator sees it. Only `stop` waits: a second at most."""

    @property
    def active(self) -> bool: ...

    def update(self) -> bool:
        """Handles what is new. Returns whether anything is."""

    def stop(self) -> None: ...


class Watching:
    """An operator that watches a task without blocking Blender; in background mode it waits for it."""

    slot: Slot
    """The operator's slot, shared by all its calls."""

    def finish(self, task: Any) -> set[str]:
        """Reports a task that has ended by itself, and returns the operator's result. The slot still holds it."""
        raise NotImplementedError

    def show(self, task: Any) -> None:
        """Shows what is new, in background mode."""

    def look(self, task: Any) -> None:
        """Shows what is new, in a window."""

    def watch(self, context: bpy.types.Context, task: Any) -> set[str]:
        """Starts to watch the task. Returns the result of execute()."""
        self.slot.task, self.slot.scene = task, context.scene.session_uid
        if bpy.app.background:
            return self._wait(task)
        manager = context.window_manager
        self.slot.timer = manager.event_timer_add(TIMER_SECONDS, window=context.window)
        manager.modal_handler_add(self)  # type: ignore[arg-type]
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
                if failed:  # Blender ends the operator: the slot would never be cleared
                    self._drop(task)
                    NOTICE.tell("Something went wrong: see Blender's console, or copy a report", is_error=True)
            if not task.active:
                return self._end(task)
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender calls this when it closes, opens another file, or the operator's window is closed."""
        if self.slot.task is not None:
            self._drop(self.slot.task)

    def dropped(self, task: Any) -> None:
        """Called before a task is ended because it can no longer be watched."""

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
