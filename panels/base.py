"""What the panels of the sidebar have in common."""

from __future__ import annotations

import bpy

from ..operators.optimize import RUN


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


def draw_pair(layout: bpy.types.UILayout, group: bpy.types.PropertyGroup, name: str) -> None:
    """A lower and an upper limit."""
    column = layout.column(align=True)
    column.prop(group, f"{name}_min")
    column.prop(group, f"{name}_max")
