"""Limits of all stamps, those of a region, or one."""

from __future__ import annotations

import bpy

from .layouts import Sidebar, draw_together, steering_layout


def draw_limits(layout: bpy.types.UILayout, limits: bpy.types.PropertyGroup) -> None:
    """Draws the limits, except for how often stamps are used relative to each other."""
    layout.prop(limits, "stretch")
    layout.prop(limits, "mirror")
    draw_together(layout, limits, "size_min", "size_max")
    layout.prop(limits, "free_rotation")
    if not limits.free_rotation:
        draw_together(layout, limits, "rotation_min", "rotation_max")
    layout.prop(limits, "opaque")
    if not limits.opaque:
        draw_together(layout, limits, "opacity_min", "opacity_max")
    layout.prop(limits, "most")


class DIFFBMP_PT_limits(Sidebar):
    bl_label = "Stamp Limits"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 30
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        limits = context.scene.diffbmp.limits
        layout = steering_layout(self.layout, context)
        layout.prop(limits, "usage")
        layout.separator()
        draw_limits(layout, limits)


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PT_limits,))
