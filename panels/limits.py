"""Limits of stamps, and the look: drawn alike for the whole canvas and for a region."""

from __future__ import annotations

import bpy

from .text import draw_sentence


def draw_limits(layout: bpy.types.UILayout, limits: bpy.types.PropertyGroup) -> None:
    """limits: a DIFFBMP_PG_limits."""
    layout.prop(limits, "stretch")
    layout.prop(limits, "mirror")
    _draw_pair(layout, limits, "size")
    layout.prop(limits, "free_rotation")
    if not limits.free_rotation:
        _draw_pair(layout, limits, "rotation")
    layout.prop(limits, "opaque")
    if not limits.opaque:
        _draw_pair(layout, limits, "opacity")
    layout.separator()
    layout.prop(limits, "usage")
    layout.prop(limits, "most")


def draw_look(
    layout: bpy.types.UILayout, look: bpy.types.PropertyGroup, context: bpy.types.Context, region: int = -1
) -> None:
    """look: a DIFFBMP_PG_look. region: the place in the list of the region that it belongs to, -1 = of all."""
    layout.prop(look, "palette")
    if look.palette == "target":
        layout.prop(look, "palette_size")
    elif look.palette == "given":
        _draw_colors(layout, look, region)
    if look.palette != "any" and context.scene.diffbmp.stamps.mode == "original":
        draw_sentence(layout, "Original Colors are not changed by a palette.", "INFO", context.region.width)
    layout.separator()
    layout.prop(look, "order")
    layout.prop(look, "spacing")
    layout.separator()
    layout.prop(look, "match")
    column = layout.column(align=True)
    for name in ("structure", "outlines", "follow", "flow", "apart", "inside"):
        column.prop(look, name, slider=True)


def _draw_pair(layout: bpy.types.UILayout, group: bpy.types.PropertyGroup, name: str) -> None:
    column = layout.column(align=True)
    column.prop(group, f"{name}_min")
    column.prop(group, f"{name}_max")


def _draw_colors(layout: bpy.types.UILayout, look: bpy.types.PropertyGroup, region: int) -> None:
    column = layout.column(align=True)
    for index, item in enumerate(look.colors):
        row = column.row(align=True)
        row.prop(item, "color", text=f"Color {index + 1}")
        remove = row.operator("diffbmp.remove_color", text="", icon="X")
        remove.index, remove.region = index, region
    row = column.split(factor=0.4)  # as the properties are
    row.label()
    row.operator("diffbmp.add_color", icon="ADD").region = region
