"""Settings of the fit that are rarely changed, and the engine."""

from __future__ import annotations

import bpy

from ..operators.target.properties import moves
from .layouts import Sidebar, settings_layout


class DIFFBMP_PT_advanced(Sidebar):
    bl_label = "Advanced"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 60
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.diffbmp
        layout = settings_layout(self.layout)
        for name in ("space", "recipe", "seed", "time_limit"):
            layout.prop(settings.fit, name)
        if not moves(context.scene):
            layout.prop(settings.fit, "recording")
        layout.prop(settings.backend, "engine")
        layout.prop(settings.backend, "threads")


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PT_advanced,))
