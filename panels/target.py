"""The target in the sidebar."""

from __future__ import annotations

import bpy

from .base import Sidebar, settings_layout


class DIFFBMP_PT_target(Sidebar, bpy.types.Panel):
    bl_label = "Target"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 10

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.diffbmp
        target = settings.target
        layout = settings_layout(self.layout)
        layout.row().prop(target, "source", expand=True)
        if target.source == "SCENE":
            layout.prop(target, "scene")
            layout.prop(target, "camera")
        elif target.source == "OBJECT":
            layout.prop(target, "object")
        else:
            layout.template_ID(target, "image", open="image.open", text="Image")
            row = layout.row(align=True)
            for source, icon in (("VIEWPORT", "VIEW3D"), ("RENDER", "RENDER_RESULT"), ("VIEWER", "NODE_COMPOSITING")):
                row.operator("diffbmp.capture_target", text=source.title(), icon=icon).source = source
        layout.prop(target, "aspect")
        if target.aspect == "CUSTOM":
            column = layout.column(align=True)
            column.prop(target, "aspect_x")
            column.prop(target, "aspect_y")
        if target.aspect != "TARGET":
            column = layout.column(align=True)
            column.prop(target, "focus_x")
            column.prop(target, "focus_y")
        layout.prop(target, "transparent")
        row = layout.row()
        row.active = not target.transparent
        row.prop(settings.fit, "background")


def draw_importance(layout: bpy.types.UILayout, target: bpy.types.PropertyGroup) -> None:
    """Draws what says where likeness matters most."""
    layout.prop(target, "importance_source")
    if target.importance_source == "VERTEX":
        layout.prop(target, "importance_object")
        layout.prop(target, "importance_layer")
    else:
        layout.template_ID(target, "importance", new="image.new", open="image.open", text=" ")


def register() -> None:
    bpy.utils.register_class(DIFFBMP_PT_target)


def unregister() -> None:
    bpy.utils.unregister_class(DIFFBMP_PT_target)
