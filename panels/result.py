"""The result in the sidebar: building it from its layout, and working with it in its own scene."""

from __future__ import annotations

import bpy

from ..operators.result.rebuild import source_of
from ..operators.scene.instances import dense_object
from ..operators.scene.storage import KEY, stored_count
from ..operators.session.slots import RUN
from .layouts import Sidebar, draw_notice, split_layout
from .optimize import draw_live, draw_needs, draw_run


class DIFFBMP_PT_result(Sidebar):
    bl_label = "Result"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 70

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.diffbmp.build
        layout = split_layout(self.layout)
        layout.prop(settings, "layout")
        _draw_form(layout, settings)
        layout.operator("diffbmp.build", icon="OUTLINER_COLLECTION")
        if settings.scene:
            name = settings.scene.name
            layout.operator("diffbmp.show_scene", text=f"Show {name}", icon="SCENE_DATA").name = name
            draw_output(layout, settings.scene)
        draw_animate(layout, context.scene.diffbmp.animate)


class Built(Sidebar):
    """A panel of a built scene."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return KEY in context.scene


class DIFFBMP_PT_built(Built):
    """Shows what a built scene is, and where it came from."""

    bl_label = "DiffBMP"

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, context.scene
        layout.label(text=f"{stored_count(scene):,} stamps, the first in front")
        source = source_of(scene)
        if source:
            layout.operator("diffbmp.show_scene", text=f"Back to {source.name}", icon="LOOP_BACK").name = source.name
        draw_output(layout, scene)
        layout.operator("diffbmp.remove_result", icon="TRASH")
        draw_notice(layout, context.region.width)


class DIFFBMP_PT_continue(Built):
    bl_label = "Continue"
    bl_parent_id = "DIFFBMP_PT_built"

    def draw(self, context: bpy.types.Context) -> None:
        layout = split_layout(self.layout)
        row = layout.row(align=True)
        for action, text in (("LOCK", "Lock"), ("UNLOCK", "Unlock"), ("SELECT", "Select")):
            row.operator("diffbmp.lock", text=text).action = action
        draw_live(layout, context.scene)
        if RUN.task is not None:
            draw_run(layout, RUN.task)
            return
        if source := source_of(context.scene):
            draw_needs(layout, context, source)
        layout.prop(context.scene.diffbmp.build, "added")
        row = layout.row()
        row.scale_y = 1.5
        row.operator("diffbmp.continue_fit", icon="PLAY")


class DIFFBMP_PT_rebuild(Built):
    bl_label = "Rebuild"
    bl_parent_id = "DIFFBMP_PT_built"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout = split_layout(self.layout)
        _draw_form(layout, context.scene.diffbmp.build)
        layout.operator("diffbmp.rebuild", icon="FILE_REFRESH")
        layout.operator("diffbmp.replace_stamp", icon="IMAGE_DATA")
        layout.operator("diffbmp.bake", icon="MESH_DATA")
        if dense_object(context.scene):
            layout.operator("diffbmp.make_editable", icon="MESH_PLANE")


def _draw_form(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    layout.prop(settings, "form")
    column = layout.column()
    column.active = settings.form != "DENSE"
    column.prop(settings, "tolerance")
    layout.prop(settings, "spread")
    layout.prop(settings, "samples")


def draw_output(layout: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    """Draws how a built scene is rendered, if it has more than one frame."""
    if scene.frame_end <= scene.frame_start:
        return
    settings = scene.diffbmp.output
    column = split_layout(layout.column())
    column.separator()
    column.prop(settings, "kind")
    column.prop(settings, "path")
    column.operator("diffbmp.render_animation", icon="RENDER_ANIMATION").scene = scene.name


def draw_animate(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    """Draws the settings that animate a still layout."""
    box = layout.box()
    box.prop(settings, "kind")
    if settings.kind == "transition":
        box.prop(settings, "other")
    if settings.kind == "growth":
        box.prop(settings, "order")
    else:
        box.prop(settings, "hold")
    box.prop(settings, "frames")
    box.prop(settings, "easing")
    box.operator("diffbmp.animate", icon="ANIM")


register, unregister = bpy.utils.register_classes_factory(
    (DIFFBMP_PT_result, DIFFBMP_PT_built, DIFFBMP_PT_continue, DIFFBMP_PT_rebuild)
)
