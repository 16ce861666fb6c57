"""What can be made of a result: an animation of a still one, a movie of one that moves."""

from __future__ import annotations

import bpy


def draw_output(layout: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    """Draws how a scene that was built is rendered, if it has more than one frame."""
    if scene.frame_end <= scene.frame_start:
        return
    settings = scene.diffbmp.output
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.separator()
    column.prop(settings, "kind")
    column.prop(settings, "path")
    column.operator("diffbmp.render_animation", icon="RENDER_ANIMATION").scene = scene.name


def draw_animate(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    """Draws what makes an animation of a still layout."""
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
