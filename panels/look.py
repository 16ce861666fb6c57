"""How the result looks: as a whole, or in a region."""

from __future__ import annotations

import bpy

from ..operators.settings.likeness import PREFERENCES
from .layouts import Sidebar, draw_sentence, draw_together, steering_layout
from .target import draw_importance


def draw_look(layout: bpy.types.UILayout, look: bpy.types.PropertyGroup, region: int = -1) -> None:
    """Draws palette, order, spacing and preferences. region: its index in the list, -1 = the whole."""
    layout.prop(look, "palette")
    if look.palette == "target":
        layout.prop(look, "palette_size")
    elif look.palette == "given":
        _draw_colors(layout, look, region)
    layout.separator()
    layout.prop(look, "order")
    layout.prop(look, "spacing")
    layout.prop(look, "containment")
    layout.separator()
    layout.prop(look, "match")
    draw_together(layout, look, *PREFERENCES)


def _draw_colors(layout: bpy.types.UILayout, look: bpy.types.PropertyGroup, region: int) -> None:
    column = layout.column(align=True)
    for index, item in enumerate(look.colors):
        row = column.row(align=True)
        row.prop(item, "color", text=f"Color {index + 1}")
        remove = row.operator("diffbmp.remove_color", text="", icon="X")
        remove.index, remove.region = index, region
    row = column.split(factor=0.4)  # as wide as the properties' names
    row.label()
    row.operator("diffbmp.add_color", icon="ADD").region = region


class DIFFBMP_PT_look(Sidebar):
    bl_label = "Look"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 31
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.diffbmp
        look = settings.look
        layout = steering_layout(self.layout, context)
        draw_importance(layout, settings.target)
        layout.separator()
        if look.palette != "any" and settings.stamps.mode == "original":
            draw_sentence(layout, "A palette does not change Original Colors.", "INFO", context.region.width)
        draw_look(layout, look)


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PT_look,))
