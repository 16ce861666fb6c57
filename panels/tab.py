"""What the panels of the sidebar's tab have in common."""

from __future__ import annotations

import bpy

from ..operators.optimize import RUN
from ..operators.settings import takes_steering
from .text import draw_sentence


class Sidebar:
    """Where the panels are."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "DiffBMP"


def steering_layout(layout: bpy.types.UILayout, context: bpy.types.Context) -> bpy.types.UILayout:
    """A layout for settings that not every recipe uses; where this one does not, says so and greys them out."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    is_used = takes_steering(context.scene)
    if not is_used:
        draw_sentence(layout, "The recipe Published uses none of this.", "INFO", context.region.width)
    column = layout.column()
    column.enabled = is_used and RUN.task is None
    return column
