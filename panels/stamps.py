"""The stamps in the sidebar: their sources, the list with thumbnails, and the settings of the active one."""

from __future__ import annotations

import bpy

from ..operators.stamps.thumbnails import THUMBNAILS
from .layouts import Sidebar, settings_layout
from .limits import draw_limits

_ICONS = {"FONT": "OUTLINER_OB_FONT", "CURVE": "OUTLINER_OB_CURVE", "EMPTY": "OUTLINER_OB_GROUP_INSTANCE"}


class DIFFBMP_UL_stamps(bpy.types.UIList):
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
        row = layout.row(align=True)
        row.active = item.use
        thumbnail = THUMBNAILS.icon(item)
        if thumbnail:
            row.label(text=item.name, icon_value=thumbnail)
        else:
            row.label(text=item.name, icon=_icon(item))
        if item.own:
            row.label(icon="OPTIONS")
        row.prop(item, "use", text="")


class DIFFBMP_PT_stamps(Sidebar):
    bl_label = "Stamps"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 20

    def draw(self, context: bpy.types.Context) -> None:
        stamps = context.scene.diffbmp.stamps
        layout = settings_layout(self.layout)
        layout.prop(stamps, "collection")
        _draw_list(layout, stamps)
        if not stamps.entries:
            row = layout.row(align=True)
            row.operator("diffbmp.add_stamp_files", icon="FILE_FOLDER")
            row.operator("diffbmp.add_example_stamps", icon="OUTLINER_OB_IMAGE")
        layout.prop(stamps, "mode")
        if stamps.mode in ("mix", "multiply"):
            layout.prop(stamps, "blend")


class DIFFBMP_PT_stamp(Sidebar):
    bl_label = "Stamp Settings"
    bl_parent_id = "DIFFBMP_PT_stamps"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return bool(context.scene.diffbmp.stamps.entries)

    def draw(self, context: bpy.types.Context) -> None:
        stamps = context.scene.diffbmp.stamps
        layout = settings_layout(self.layout)
        stamp = stamps.entries[min(stamps.active, len(stamps.entries) - 1)]
        thumbnail = THUMBNAILS.icon(stamp)
        if thumbnail:
            layout.template_icon(thumbnail, scale=4)
        layout.label(text=stamp.name, icon=_icon(stamp))
        column = layout.column()
        column.enabled = context.scene.diffbmp.limits.usage == "shares"
        column.prop(stamp, "share")
        if stamp.by_hand:
            layout.prop(stamp, "group")
        layout.prop(stamp, "alpha")
        if stamp.alpha == "REMOVE":
            layout.prop(stamp, "threshold")
        if not stamp.image and not stamp.text:
            layout.prop(stamp, "view")
        layout.prop(stamp, "own")
        if stamp.own:
            layout.prop(stamp, "mode")
            if stamp.mode in ("mix", "multiply"):
                layout.prop(stamp, "blend")
            draw_limits(layout, stamp.limits)


class DIFFBMP_PT_add_stamps(Sidebar):
    bl_label = "Add Stamps"
    bl_parent_id = "DIFFBMP_PT_stamps"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        stamps = context.scene.diffbmp.stamps
        layout = settings_layout(self.layout)
        layout.operator("diffbmp.add_stamp_files", icon="FILE_FOLDER")
        layout.operator("diffbmp.add_stamp_objects", icon="OBJECT_DATA")
        layout.prop(stamps, "pick")
        layout.separator()
        layout.prop(stamps, "text")
        layout.template_ID(stamps, "font", open="font.open", unlink="font.unlink", text="Font")
        row = layout.row(align=True)
        for split in ("LETTERS", "WORDS", "WHOLE"):
            row.operator("diffbmp.add_stamp_text", text=f"Add {split.title()}").split = split
        layout.separator()
        layout.prop(stamps, "take")
        layout.prop(stamps, "split")
        layout.prop(stamps, "resolution")
        layout.prop(stamps, "lighting")


def _draw_list(layout: bpy.types.UILayout, stamps: bpy.types.PropertyGroup) -> None:
    row = layout.row()
    row.template_list("DIFFBMP_UL_stamps", "", stamps, "entries", stamps, "active", rows=4)
    column = row.column(align=True)
    column.operator("diffbmp.refresh_stamps", text="", icon="FILE_REFRESH")
    column.operator("diffbmp.remove_stamps", text="", icon="REMOVE").index = stamps.active
    column.separator()
    column.operator("diffbmp.use_stamps", text="", icon="CHECKBOX_HLT").action = "ALL"
    column.operator("diffbmp.use_stamps", text="", icon="CHECKBOX_DEHLT").action = "NONE"


def _icon(stamp: bpy.types.PropertyGroup) -> str:
    if stamp.text:
        return "OUTLINER_OB_FONT"
    if stamp.image:
        return "IMAGE_DATA"
    if stamp.collection:
        return "OUTLINER_COLLECTION"
    if stamp.object:
        return _ICONS.get(stamp.object.type, "OUTLINER_OB_MESH")
    return "ERROR"


register, unregister = bpy.utils.register_classes_factory(
    (DIFFBMP_UL_stamps, DIFFBMP_PT_stamps, DIFFBMP_PT_stamp, DIFFBMP_PT_add_stamps)
)
