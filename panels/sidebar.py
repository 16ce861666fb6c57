"""The sidebar of the 3D view: from the target to the built result."""

from __future__ import annotations

import bpy
from bl_ui.utils import PresetPanel

from ..operators.scene.storage import KEY, LIVE
from ..operators.settings.presets import FOLDER
from .layouts import Sidebar


class DIFFBMP_PT_presets(PresetPanel, bpy.types.Panel):
    bl_label = "DiffBMP Presets"
    preset_subdir = FOLDER
    preset_operator = "script.execute_preset"
    preset_add_operator = "diffbmp.add_preset"


class DIFFBMP_PT_main(Sidebar, bpy.types.Panel):
    bl_label = "DiffBMP"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return KEY not in context.scene and LIVE not in context.scene

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        DIFFBMP_PT_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        """All there is stands in the panels below, in the order of the work."""


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PT_presets, DIFFBMP_PT_main))
