"""Blender's interface: redrawing, counting at the pointer, and opening editors."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, Literal

import bpy


def counted(items: Iterable[Any], total: int) -> Generator[Any, None, None]:
    """Yields the items, and shows their count at Blender's pointer."""
    manager = bpy.context.window_manager
    manager.progress_begin(0, total)
    try:
        for number, item in enumerate(items, 1):
            manager.progress_update(number)
            yield item
    finally:
        manager.progress_end()


def redraw() -> None:
    """Redraws the sidebars and the preferences."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "PREFERENCES", "IMAGE_EDITOR"):
                area.tag_redraw()


def editor(context: bpy.types.Context, kind: Literal["IMAGE_EDITOR", "TEXT_EDITOR"]) -> Any:
    """Returns the space of an editor of this kind; opens one in a new window if there is none."""
    area = next((area for area in context.window.screen.areas if area.type == kind), None)
    if area is None:
        bpy.ops.wm.window_new()
        area = context.window_manager.windows[-1].screen.areas[0]
        area.type = kind
    return area.spaces.active
