"""The sidebar of the 3D view: from the target to the built result."""

from __future__ import annotations

import bpy
from bl_ui.utils import PresetPanel

from ..operators.optimize import RUN
from ..operators.presets import FOLDER
from ..operators.storage import KEY, LIVE
from ..operators.target import moves
from .base import Sidebar, settings_layout, steering_layout
from .limits import draw_limits
from .look import draw_look
from .progress import draw_live, draw_run, draw_start
from .target import draw_importance
from .text import draw_notice, draw_sentence


class DIFFBMP_PT_presets(PresetPanel, bpy.types.Panel):
    bl_label = "DiffBMP Presets"
    preset_subdir = FOLDER
    preset_operator = "script.execute_preset"
    preset_add_operator = "diffbmp.add_preset"


class DIFFBMP_PT_main(Sidebar, bpy.types.Panel):
    bl_label = "DiffBMP"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return KEY not in context.scene and LIVE not in context.scene

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        DIFFBMP_PT_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        """All there is stands in the panels below, in the order of the work."""


class DIFFBMP_PT_optimize(Sidebar, bpy.types.Panel):
    bl_label = "Optimize"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 50

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.diffbmp
        layout = self.layout
        column = settings_layout(layout)
        for name in ("count", "size", "preset", "steps"):
            column.prop(settings.fit, name)
        draw_live(layout, context.scene)
        if RUN.task is None:
            draw_start(layout, context)
        else:
            draw_run(layout, RUN.task)
        draw_notice(layout, context.region.width)


class DIFFBMP_PT_limits(Sidebar, bpy.types.Panel):
    bl_label = "Stamp Limits"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 30
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012  Blender's own form

    def draw(self, context: bpy.types.Context) -> None:
        limits = context.scene.diffbmp.limits
        layout = steering_layout(self.layout, context)
        layout.prop(limits, "usage")
        layout.separator()
        draw_limits(layout, limits)


class DIFFBMP_PT_look(Sidebar, bpy.types.Panel):
    bl_label = "Look"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 31
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012  Blender's own form

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.diffbmp
        look = settings.look
        layout = steering_layout(self.layout, context)
        draw_importance(layout, settings.target)
        layout.separator()
        if look.palette != "any" and settings.stamps.mode == "original":
            draw_sentence(layout, "Original Colors are not changed by a palette.", "INFO", context.region.width)
        draw_look(layout, look)


class DIFFBMP_PT_advanced(Sidebar, bpy.types.Panel):
    bl_label = "Advanced"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 60
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012  Blender's own form

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.diffbmp
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.enabled = RUN.task is None
        for name in ("space", "recipe", "seed", "time_limit"):
            layout.prop(settings.fit, name)
        if not moves(context.scene):
            layout.prop(settings.fit, "recording")
        layout.prop(settings.backend, "engine")
        layout.prop(settings.backend, "threads")


_CLASSES = (
    DIFFBMP_PT_presets,
    DIFFBMP_PT_main,
    DIFFBMP_PT_optimize,
    DIFFBMP_PT_limits,
    DIFFBMP_PT_look,
    DIFFBMP_PT_advanced,
)


def register() -> None:
    for item in _CLASSES:
        bpy.utils.register_class(item)


def unregister() -> None:
    for item in reversed(_CLASSES):
        bpy.utils.unregister_class(item)
