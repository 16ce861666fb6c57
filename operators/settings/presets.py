"""Presets: sets of settings for a fit, shipped with the add-on or the artist's own."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
from bl_operators.presets import AddPresetBase
from bpy.props import StringProperty

from .fields import preset_names

FOLDER = "diffbmp"
"""Folder of the artist's own presets among Blender's."""

SHIPPED: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
"""The presets that come with the add-on: a description, and per group the values that differ from the defaults."""


# How the stamps are fitted, their look and their background; not what belongs to one picture or computer: the target
# and its frames, the stamps, the regions, the seed, the live scene, the engine, the result.
def owned() -> Iterator[tuple[str, str]]:
    """Yields the settings that every preset sets, as groups of Scene.diffbmp and names in them."""
    return ((group, name) for group, names in preset_names().items() for name in names)


def own_presets() -> dict[str, Path]:
    """Returns the files of the artist's own presets by name. They replace the add-on's presets of the same name."""
    files = (path for folder in bpy.utils.preset_paths(FOLDER) for path in Path(folder).glob("*.py"))
    names = {bpy.path.display_name(path.name, title_case=False): path for path in files}
    return dict(sorted(names.items(), key=lambda item: item[0].lower()))


class DIFFBMP_OT_apply_preset(bpy.types.Operator):
    bl_idname = "diffbmp.apply_preset"
    bl_label = "Apply Preset"
    bl_description = "Reset the fit, the limits, the look and the animation, then apply the preset"
    bl_options = {"UNDO", "INTERNAL"}

    name: StringProperty(name="Name", description="A preset that comes with DiffBMP, or one of your own")

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        return SHIPPED.get(properties.name, {}).get("description", cls.bl_description)

    def execute(self, context: bpy.types.Context) -> set[str]:
        own = own_presets()
        if self.name not in SHIPPED.keys() | own.keys():
            self.report({"ERROR"}, f'There is no preset "{self.name}", only {", ".join([*SHIPPED, *own])}')
            return {"CANCELLED"}
        settings = context.scene.diffbmp
        before = [(getattr(settings, group), name, _value(getattr(settings, group), name)) for group, name in owned()]
        for properties, name, _ in before:
            properties.property_unset(name)
        if self.name in own:
            try:
                bpy.ops.script.execute_preset(filepath=str(own[self.name]), menu_idname="DIFFBMP_PT_presets")
            except RuntimeError as error:
                for properties, name, value in before:
                    setattr(properties, name, value)
                self.report({"ERROR"}, str(error).removeprefix("Error: ").strip())
                return {"CANCELLED"}
        else:
            for group, name in owned():
                values = SHIPPED[self.name].get(group, {})
                if name in values:
                    setattr(getattr(settings, group), name, values[name])
        if context.area:
            context.area.tag_redraw()  # Blender notices properties that are set, but not those that are reset
        return {"FINISHED"}


def _value(properties: Any, name: str) -> Any:
    value = getattr(properties, name)
    return tuple(value) if getattr(properties.bl_rna.properties[name], "is_array", False) else value


class DIFFBMP_OT_add_preset(AddPresetBase, bpy.types.Operator):
    bl_idname = "diffbmp.add_preset"
    bl_label = "Add Preset"
    bl_description = "Save the settings of the fit, the limits, the look and the animation as a preset"

    preset_menu = "DIFFBMP_PT_presets"
    preset_subdir = FOLDER
    preset_defines = ["settings = bpy.context.scene.diffbmp"]

    @property
    def preset_values(self) -> list[str]:
        """The saved properties. The list of colors is the artist's work: only a preset that needs it replaces it."""
        names = list(owned())
        if bpy.context.scene.diffbmp.look.palette == "given":
            names.append(("look", "colors"))
        return [f"settings.{group}.{name}" for group, name in names]

    def execute(self, context: bpy.types.Context) -> set[str]:
        name = bpy.path.display_name(self.as_filename(self.name), title_case=False)  # type: ignore[arg-type]
        if name in SHIPPED and not self.remove_name:  # type: ignore[attr-defined]
            self.report({"ERROR"}, f'A preset "{name}" comes with DiffBMP: choose another name')
            return {"CANCELLED"}
        return super().execute(context)


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_apply_preset, DIFFBMP_OT_add_preset))
