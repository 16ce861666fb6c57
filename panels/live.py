"""The panel of the live scene: the progress of the optimization, and the way back."""

from __future__ import annotations

import bpy

from ..operators.scene.storage import LIVE, stored_scene
from ..operators.session.slots import RUN
from .layouts import Sidebar, draw_notice
from .optimize import draw_run


class DIFFBMP_PT_live(Sidebar):
    bl_label = "DiffBMP"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return LIVE in context.scene

    def draw(self, context: bpy.types.Context) -> None:
        layout, source = self.layout, stored_scene(context.scene, LIVE)
        if source:
            layout.operator("diffbmp.show_scene", text=f"Back to {source.name}", icon="LOOP_BACK").name = source.name
        if RUN.task is not None:
            draw_run(layout, RUN.task)
        else:
            layout.operator("diffbmp.remove_live", icon="TRASH")
        draw_notice(layout, context.region.width)


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PT_live,))
