"""The panel of the canvas's mask and of its regions."""

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
        shown.prop(item, "name", text="", emboss=False, icon_value=_source_icon(layout, item.area))
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
    """A panel of the active region."""

    bl_parent_id = "DIFFBMP_PT_regions"
    bl_options = {"DEFAULT_CLOSED"}
    switch = ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return active_region(context.scene) is not None

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.enabled = RUN.task is None
        self.layout.prop(active_region(context.scene), self.switch, text="")

    def own_layout(self, context: bpy.types.Context, region: bpy.types.PropertyGroup) -> bpy.types.UILayout:
        """Greyed out where the region does as all do."""
        layout = steering_layout(self.layout, context)
        layout.active = getattr(region, self.switch)
        return layout


class DIFFBMP_PT_region_limits(_OfRegion, bpy.types.Panel):
    bl_label = "Own Limits"
    switch = "own_limits"

    def draw(self, context: bpy.types.Context) -> None:
        region: Any = active_region(context.scene)
        layout = self.own_layout(context, region)
        layout.prop(region.limits, "usage")
        draw_limits(layout, region.limits)


class DIFFBMP_PT_region_look(_OfRegion, bpy.types.Panel):
    bl_label = "Own Look"
    switch = "own_look"

    def draw(self, context: bpy.types.Context) -> None:
        region: Any = active_region(context.scene)
        draw_look(self.own_layout(context, region), region.look, context.scene.diffbmp.regions.active)


def _source_icon(layout: bpy.types.UILayout, source: bpy.types.PropertyGroup) -> int:
    return layout.enum_item_icon(source, "source", source.source)


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
