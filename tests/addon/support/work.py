"""Counts work instead of timing it, so that a busy computer does not matter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import bpy


@dataclass
class Work:
    """Work done. calls: of functions, from Python. updates: of Blender's dependency graph."""

    calls: int = 0
    updates: int = 0

    def grows_from(self, less: Work, times: float) -> bool:
        """Returns whether it is at most so many times as much, with a margin of a tenth, and no more updates."""
        return self.calls <= 1.1 * times * less.calls and self.updates <= less.updates


def work_of(act: Callable[[], object]) -> Work:
    """Calls a function, and counts its work in this thread."""
    work = Work()

    def count_call(frame: FrameType, event: str, argument: Any) -> None:
        work.calls += event in ("call", "c_call")

    def count_update(*_: object) -> None:
        work.updates += 1

    before = sys.getprofile()
    bpy.app.handlers.depsgraph_update_post.append(count_update)
    sys.setprofile(count_call)
    try:
        act()
    finally:
        sys.setprofile(before)
        bpy.app.handlers.depsgraph_update_post.remove(count_update)
    return work
