"""Presets: all settings of a fit by name, some that come with the add-on and the artist's own."""

from __future__ import annotations

from pathlib import Path

import bpy
from bl_operators.presets import AddPresetBase

FOLDER = "diffbmp"
"""Of the presets' files, among Blender's own."""

_NAMES = {
    "fit": ("count", "size", "preset", "steps", "time_limit", "recipe", "space", "background"),
    "stamps": ("mode", "blend"),
    "limits": (
        *("stretch", "mirror", "size_min", "size_max", "free_rotation", "rotation_min", "rotation_max"),
        *("opaque", "opacity_min", "opacity_max", "usage", "most"),
    ),
    "look": (
        *("palette", "palette_size", "order", "spacing", "match", "structure", "outlines", "follow", "flow"),
        *("apart", "inside"),
    ),
    "target": ("transparent",),
    "clip": ("iterations", "refinement", "knots", "smoothness", "flow", "fade", "still", "cut"),
}
"""The settings that a preset holds."""


class DIFFBMP_OT_add_preset(AddPresetBase, bpy.types.Operator):
    bl_idname = "diffbmp.add_preset"
    bl_label = "Add Preset"
    bl_description = "Keep the settings of the fit, the limits, the look and the animation by a name"

    preset_menu = "DIFFBMP_PT_presets"
    preset_subdir = FOLDER
    preset_defines = ["settings = bpy.context.scene.diffbmp"]
    preset_values = [f"settings.{group}.{name}" for group, names in _NAMES.items() for name in names]


_PLACE = Path(__file__).parents[1] / "shipped"
"""Holds presets/, with those that come with the add-on."""


def own_presets() -> Path:
    """The folder whose presets come with the add-on."""
    return _PLACE / "presets" / FOLDER


def register() -> None:
    bpy.utils.register_class(DIFFBMP_OT_add_preset)
    bpy.utils.register_preset_path(str(_PLACE))


def unregister() -> None:
    bpy.utils.unregister_preset_path(str(_PLACE))
    bpy.utils.unregister_class(DIFFBMP_OT_add_preset)
