# mypy: disable-error-code="valid-type"
"""The add-on's preferences: which Python runs the backend."""

import bpy
from bpy.props import BoolProperty, StringProperty

from ..operators.folders import ADD_ON
from .text import draw_sentence


class DIFFBMP_preferences(bpy.types.AddonPreferences):
    bl_idname = ADD_ON

    python: StringProperty(
        name="Backend Python",
        description="A Python program (3.11 to 3.13) that has PyTorch, NumPy and Pillow",
        subtype="FILE_PATH",
    )
    verdict: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    works: BoolProperty(options={"HIDDEN", "SKIP_SAVE"})

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        row = layout.split(factor=0.85)
        row.prop(self, "python", placeholder="Blender's own Python, if it has PyTorch")
        row.operator("diffbmp.verify_backend", icon="CHECKMARK")
        if self.verdict:
            draw_sentence(layout, self.verdict, "INFO" if self.works else "ERROR", context.region.width)


def register() -> None:
    bpy.utils.register_class(DIFFBMP_preferences)


def unregister() -> None:
    bpy.utils.unregister_class(DIFFBMP_preferences)
