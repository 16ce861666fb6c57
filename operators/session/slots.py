"""The tasks that run in this Blender session, one slot for each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy

from .reports import Reports
from .screen import redraw


@dataclass
class Slot:
    """A place for one task, and for the timer of the modal operator that watches it.

    It is not generic: typing would keep the class alive, and so bpy, which then hangs at the exit of a script in 4.5.
    """

    task: Any = None  # a Task, or None
    scene: int = 0  # session_uid of the scene that the task belongs to: it may be renamed meanwhile
    timer: Any = None

    @property
    def owner(self) -> bpy.types.Scene | None:
        """The scene that the task belongs to; None where it was deleted."""
        return next((scene for scene in bpy.data.scenes if scene.session_uid == self.scene), None)

    def clear(self) -> None:
        """Ends the task and its timer, if there are any."""
        timer, task = self.timer, self.task
        self.task, self.scene, self.timer = None, 0, None
        if timer is not None:
            bpy.context.window_manager.event_timer_remove(timer)
        if task is not None and task.active:
            task.stop()
        redraw()


EXPORT = Slot()
"""The export of this session: one at a time."""

INSTALL = Slot()
"""The installation or removal of this session. It is watched by a timer of Blender and not of a window, because the
preferences' window may be closed meanwhile, and another file opened."""

RUN = Slot()
"""The optimization of this session: one at a time, because it uses the whole computer."""

SLOTS: list[Slot] = []
"""Slots whose tasks change their scene at the end: see is_busy."""


def is_busy(scene: bpy.types.Scene) -> bool:
    """Returns whether a task will change what the scene shows."""
    return any(slot.task is not None and slot.scene == scene.session_uid for slot in SLOTS)


class EditsLists(Reports):
    """An operator that adds, removes or moves entries of a list. It is disabled while a task reads them."""

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        reading = any(getattr(slot.task, "state", "") == "collecting" for slot in SLOTS)
        return "The optimization is reading the scene: wait a moment" if reading else ""
