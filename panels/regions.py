"""The panels of the canvas's mask and its regions."""

from __future__ import annotations

from typing import Any

import bpy

from ..operators.masks.properties import active_region
from ..operators.session.slots import RUN
from .layouts import Sidebar, settings_layout, steering_layout
from .limits import draw_limits
from .look import draw_look


class DIFFBMP_UL_regions(bpy.types.UIList):
    def draw_item(  # type: ignore[override]
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: bpy.types.PropertyGroup,
        item: bpy.types.PropertyGroup,
        icon: int,
        active_data: bpy.types.PropertyGroup,
        active_property: str,
    ) -> None:
        shown = layout.row(align=True)
        shown.active = item.use
        shown.prop(
            item, "name", text="", emboss=False, icon_value=layout.enum_item_icon(item.area, "source", item.area.source)
        )
        layout.prop(item, "use", text="")


class DIFFBMP_PT_regions(Sidebar):
    bl_label = "Masks and Regions"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 40

    def draw(self, context: bpy.types.Context) -> None:
        regions = context.scene.diffbmp.regions
        layout = settings_layout(self.layout)
        _draw_source(layout, regions.overall, "Canvas")
        layout.separator()
        row = layout.row()
        row.template_list("DIFFBMP_UL_regions", "", regions, "entries", regions, "active", rows=4)
        column = row.column(align=True)
        column.operator("diffbmp.add_region", text="", icon="ADD")
        column.operator("diffbmp.remove_region", text="", icon="REMOVE")
        column.separator()
        column.operator("diffbmp.move_region", text="", icon="TRIA_UP").direction = "up"
        column.operator("diffbmp.move_region", text="", icon="TRIA_DOWN").direction = "down"
        region = active_region(context.scene)
        if region is None:
            return
        column = layout.column()
        column.active = region.use
        _draw_source(column, region.area, "Region")
        column.separator()
        column.prop(region, "stamps")
        column.prop(region, "share")


class _OfRegion(Sidebar):
    """A panel of the active region, grayed out where the region has no values of its own."""

    bl_parent_id = "DIFFBMP_PT_regions"
    bl_options = {"DEFAULT_CLOSED"}
    switch = ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_region(context.scene) is not None

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.enabled = RUN.task is None
        self.layout.prop(active_region(context.scene), self.switch, text="")

    def draw(self, context: bpy.types.Context) -> None:
        region: Any = active_region(context.scene)
        layout = steering_layout(self.layout, context)
        layout.active = getattr(region, self.switch)
        self.draw_own(layout, region)

    def draw_own(self, layout: bpy.types.UILayout, region: Any) -> None:
        """Draws the region's own values."""


class DIFFBMP_PT_region_limits(_OfRegion):
    bl_label = "Own Limits"
    switch = "own_limits"

    def draw_own(self, layout: bpy.types.UILayout, region: Any) -> None:
        layout.prop(region.limits, "usage")
        draw_limits(layout, region.limits)


class DIFFBMP_PT_region_look(_OfRegion):
    bl_label = "Own Look"
    switch = "own_look"

    def draw_own(self, layout: bpy.types.UILayout, region: Any) -> None:
        draw_look(layout, region.look, region.id_data.diffbmp.regions.active)


def _draw_source(layout: bpy.types.UILayout, source: bpy.types.PropertyGroup, text: str) -> None:
    layout.prop(source, "source", text=text)
    if source.source == "none":
        return
    if source.source in ("image", "alpha"):
        layout.template_ID(source, "image", new="image.new", open="image.open", text="Image")
    elif source.source == "mask":
        layout.template_ID(source, "mask", new="mask.new", text="Mask")
    else:
        layout.prop(source, source.source)
        layout.prop(source, "camera")
    layout.prop(source, "invert")


register, unregister = bpy.utils.register_classes_factory(
    (DIFFBMP_UL_regions, DIFFBMP_PT_regions, DIFFBMP_PT_region_limits, DIFFBMP_PT_region_look)
)
