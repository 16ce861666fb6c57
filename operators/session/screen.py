"""Blender's interface: what is drawn again, and the pointer that counts."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import bpy


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
