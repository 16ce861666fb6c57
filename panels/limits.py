"""What stamps may do: all of them, those of a region, or one."""

from __future__ import annotations

import bpy

from .base import draw_pair


def draw_limits(layout: bpy.types.UILayout, limits: bpy.types.PropertyGroup) -> None:
    """Draws the limits, but for how often stamps are used relative to each other."""
    layout.prop(limits, "stretch")
    layout.prop(limits, "mirror")
    draw_pair(layout, limits, "size")
    layout.prop(limits, "free_rotation")
    if not limits.free_rotation:
        draw_pair(layout, limits, "rotation")
    layout.prop(limits, "opaque")
    if not limits.opaque:
        draw_pair(layout, limits, "opacity")
    layout.prop(limits, "most")
