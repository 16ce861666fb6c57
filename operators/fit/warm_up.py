"""Starts the backend before Optimize is pressed, so that the first picture need not wait for it."""

from __future__ import annotations

from contextlib import suppress

import bpy

from ...backend.job import UserError
from ..install.environment import backend_call
from ..process.warm_worker import WARM
from ..session.logs import worker_log
from ..session.slots import INSTALL, RUN
from ..target.properties import lacks_target


def warm_up(scene: bpy.types.Scene) -> None:
    """Lets a worker start as soon as Blender is idle, if the scene has a target and none waits. Panels may call it."""
    is_idle = RUN.task is None and INSTALL.task is None and not bpy.app.background
    if is_idle and WARM.is_cold and not lacks_target(scene) and not bpy.app.timers.is_registered(_start):
        bpy.app.timers.register(_start)


def _start() -> None:
    with suppress(UserError):  # Optimize says it
        WARM.keep(WARM.take(backend_call("worker"), worker_log()))


def stay_cold() -> None:
    """Starts no worker that warm_up wanted to."""
    if bpy.app.timers.is_registered(_start):
        bpy.app.timers.unregister(_start)
