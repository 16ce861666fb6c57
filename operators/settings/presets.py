"""Presets: sets of settings for a fit, shipped with the add-on or the artist's own."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
from bl_operators.presets import AddPresetBase
from bpy.props import StringProperty

from ...backend.job import UserError, cannot_write, quoted, sweep, written_aside
from .fields import preset_names
from .preset_file import HEAD, PresetFile, read_preset

FOLDER = "diffbmp"
"""Folder of the artist's own presets among Blender's."""

MENU = "DIFFBMP_PT_presets"

SHIPPED: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
"""The presets that come with the add-on: a description, and per group the values that differ from the defaults."""


# How the stamps are fitted, their look and their background; not what belongs to one picture or computer: the target
# and its frames, the stamps, the regions, the seed, the live scene, the engine, the result.
def owned() -> Iterator[tuple[str, str]]:
    """Yields the settings that every preset sets, as groups of Scene.diffbmp and names in them."""
    return ((group, name) for group, names in preset_names().items() for name in names)


def own_presets() -> dict[str, Path]:
    """Returns the files of the artist's own presets by name. They replace the add-on's presets of the same name."""
    files = (path for folder in bpy.utils.preset_paths(FOLDER) for path in Path(folder).glob("[!.]*.py"))
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
        try:
            preset = read_preset(own[self.name]) if self.name in own else _shipped(self.name)
            _apply(context.scene.diffbmp, preset, self.name)
        except UserError as error:
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        if self.name in own:
            getattr(bpy.types, MENU).bl_label = self.name  # as Blender's own presets do
        if context.area:
            context.area.tag_redraw()  # Blender notices properties that are set, but not those that are reset
        return {"FINISHED"}


def _shipped(name: str) -> PresetFile:
    groups = {group: values for group, values in SHIPPED[name].items() if group != "description"}
    return PresetFile({(group, key): value for group, values in groups.items() for key, value in values.items()})


def _apply(settings: Any, preset: PresetFile, name: str) -> None:
    """Resets the settings that presets own, then sets a preset's. Raises UserError, with all as before, if not."""
    keys = list(owned())
    if foreign := [f"{group}.{key}" for group, key in preset.values if (group, key) not in keys]:
        raise UserError(f"The preset {quoted(name)} has no setting {quoted(foreign[0])} to set: save it again")
    before = {key: _value(getattr(settings, key[0]), key[1]) for key in keys}
    colors = [tuple(entry.color) for entry in settings.look.colors]
    for group, key in keys:
        getattr(settings, group).property_unset(key)
    try:
        _set(settings, preset)
    except (TypeError, ValueError, OverflowError) as error:
        _set(settings, PresetFile(before, colors))
        raise UserError(f"The preset {quoted(name)} has a value that does not suit: save it again ({error})") from error


def _set(settings: Any, preset: PresetFile) -> None:
    for (group, key), value in preset.values.items():
        setattr(getattr(settings, group), key, value)
    if preset.colors is not None:
        settings.look.colors.clear()
        for color in preset.colors:
            settings.look.colors.add().color = color


def _value(properties: Any, name: str) -> Any:
    value = getattr(properties, name)
    return tuple(value) if getattr(properties.bl_rna.properties[name], "is_array", False) else value


class DIFFBMP_OT_add_preset(AddPresetBase, bpy.types.Operator):
    bl_idname = "diffbmp.add_preset"
    bl_label = "Add Preset"
    bl_description = "Save the settings of the fit, the limits, the look and the animation as a preset"

    preset_menu = MENU
    preset_subdir = FOLDER

    def add(self, context: bpy.types.Context, path: str) -> None:
        """Writes the preset in Blender's form, but wholly or not at all. Raises UserError where it cannot.

        The list of colors is the artist's work: only a preset that needs it replaces it.
        """
        settings = context.scene.diffbmp
        lines = [*HEAD, ""]
        lines += [f"settings.{group}.{key} = {_value(getattr(settings, group), key)!r}" for group, key in owned()]
        if settings.look.palette == "given":
            lines.append("settings.look.colors.clear()")
            for entry in settings.look.colors:
                lines += ["item_sub_1 = settings.look.colors.add()", f"item_sub_1.color = {tuple(entry.color)!r}"]
        sweep(Path(path).parent)
        with written_aside(Path(path)) as aside:
            aside.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def execute(self, context: bpy.types.Context) -> set[str]:
        name = bpy.path.display_name(self.as_filename(self.name), title_case=False)  # type: ignore[arg-type]
        if name in SHIPPED and not self.remove_name:  # type: ignore[attr-defined]
            self.report({"ERROR"}, f'A preset "{name}" comes with DiffBMP: choose another name')
            return {"CANCELLED"}
        try:
            return super().execute(context)
        except UserError as error:
            self.report({"ERROR"}, error.message)
        except OSError as error:
            self.report({"ERROR"}, cannot_write("The folder of the presets", error).message)
        return {"CANCELLED"}


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_apply_preset, DIFFBMP_OT_add_preset))
