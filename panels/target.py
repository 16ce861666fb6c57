"""The target in the sidebar."""

from __future__ import annotations

import bpy

from ..operators.target.properties import can_move, moves
from .layouts import Sidebar, draw_together, settings_layout


class DIFFBMP_PT_target(Sidebar):
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
        if can_move(context.scene):
            _draw_clip(layout, target, settings.clip)
        layout.prop(target, "aspect")
        if target.aspect == "CUSTOM":
            draw_together(layout, target, "aspect_x", "aspect_y")
        if target.aspect != "TARGET":
            draw_together(layout, target, "focus_x", "focus_y")
        layout.prop(target, "transparent")
        row = layout.row()
        row.active = not target.transparent
        row.prop(settings.fit, "background")


class DIFFBMP_PT_animation(Sidebar):
    bl_label = "Animation"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 45

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return moves(context.scene)

    def draw(self, context: bpy.types.Context) -> None:
        clip = context.scene.diffbmp.clip
        layout = settings_layout(self.layout)
        for names in (("iterations", "refinement"), ("smoothness", "knots", "flow", "fade"), ("still", "cut")):
            column = layout.column()
            for name in names:
                column.prop(clip, name)


def _draw_clip(layout: bpy.types.UILayout, target: bpy.types.PropertyGroup, clip: bpy.types.PropertyGroup) -> None:
    """Draws whether the target is fitted as a clip, and the frames that are."""
    layout.prop(target, "moving")
    if not target.moving:
        return
    draw_together(layout, clip, "start", "end", "step")
    column = layout.column()
    column.prop(clip, "scene_start")
    column.prop(clip, "fps")


def draw_importance(layout: bpy.types.UILayout, target: bpy.types.PropertyGroup) -> None:
    """Draws the importance: where likeness matters most."""
    layout.prop(target, "importance_source")
    if target.importance_source == "VERTEX":
        layout.prop(target, "importance_object")
        layout.prop(target, "importance_layer")
    else:
        layout.template_ID(target, "importance", new="image.new", open="image.open", text=" ")


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PT_target, DIFFBMP_PT_animation))
