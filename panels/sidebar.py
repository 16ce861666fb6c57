"""The sidebar of the 3D view: from the target to the built result."""

from __future__ import annotations

import bpy
from bl_ui.utils import PresetPanel

from ..operators.scene.storage import KEY, LIVE
from ..operators.settings.presets import SHIPPED, own_presets
from .layouts import Sidebar


class DIFFBMP_PT_presets(PresetPanel, bpy.types.Panel):
    bl_label = "DiffBMP Presets"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.emboss = "PULLDOWN_MENU"
        layout.operator_context = "EXEC_DEFAULT"
        own = own_presets()
        column = layout.column(align=True)
        for name in SHIPPED:
            if name not in own:
                _draw_preset(column, name)
        layout.separator()
        column = layout.column(align=True)
        for name in own:
            remove = _draw_preset(column, name).operator("diffbmp.add_preset", text="", icon="REMOVE")
            remove.name, remove.remove_name = name, True
        row = column.row()
        field = row.row()
        field.emboss = "NORMAL"
        field.prop(context.window_manager, "preset_name", text="")
        row.operator("diffbmp.add_preset", text="", icon="ADD").name = context.window_manager.preset_name


def _draw_preset(column: bpy.types.UILayout, name: str) -> bpy.types.UILayout:
    """Draws the button that applies a preset. Returns its row."""
    row = column.row(align=True)
    row.operator("diffbmp.apply_preset", text=name, translate=False).name = name
    return row


class DIFFBMP_PT_main(Sidebar):
    bl_label = "DiffBMP"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return KEY not in context.scene and LIVE not in context.scene

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        DIFFBMP_PT_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        """Draws nothing: the panels below it follow the order of the work."""


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PT_presets, DIFFBMP_PT_main))
