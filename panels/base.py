"""What the panels of the sidebar have in common."""

from __future__ import annotations

import bpy

from ..operators.optimize import RUN
from ..operators.settings import takes_steering
from .text import draw_sentence


class Sidebar:
    """The place of a panel: the tab DiffBMP of the 3D view's sidebar."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "DiffBMP"


def settings_layout(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """A column for settings, names left and values right, greyed out while an optimization is running."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    column = layout.column()
    column.enabled = RUN.task is None
    return column


def steering_layout(layout: bpy.types.UILayout, context: bpy.types.Context) -> bpy.types.UILayout:
    """A column for settings that not every recipe uses; where this one does not, says so and greys them out."""
    is_used = takes_steering(context.scene)
    if not is_used:
        draw_sentence(layout, "The recipe Published uses none of this.", "INFO", context.region.width)
    column = settings_layout(layout)
    column.enabled = is_used and RUN.task is None
    return column


def draw_pair(layout: bpy.types.UILayout, group: bpy.types.PropertyGroup, name: str) -> None:
    """A lower and an upper limit."""
    column = layout.column(align=True)
    column.prop(group, f"{name}_min")
    column.prop(group, f"{name}_max")
