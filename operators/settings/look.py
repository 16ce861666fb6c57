"""How the result looks, as Scene.diffbmp.look, and the buttons of its list of colors."""

from typing import Any

import bpy
from bpy.props import CollectionProperty, EnumProperty, FloatProperty, FloatVectorProperty, IntProperty

from ...backend.job import Settings, settings_of
from .fields import Own, with_settings
from .likeness import MATCHES, PREFERENCES

_PALETTES = (
    ("any", "Any", "Give each stamp the color that fits best"),
    ("target", "From Target", "Use only a number of colors, taken from the target"),
    ("given", "Given", "Use only the colors of the list"),
)
_OWN: Own = {
    "palette_size": {"description": settings_of(Settings)["palette_size"].help, "default": 8, "min": 1},
    "spacing": {"precision": 2},
}
_PREFERENCE: dict[str, Any] = {"subtype": "FACTOR", "default": 0.0, "min": 0.0, "max": 1.0}


class DIFFBMP_PG_color(bpy.types.PropertyGroup):
    color: FloatVectorProperty(
        name="Color",
        description="A color that stamps may have",
        subtype="COLOR_GAMMA",
        size=3,
        default=(0.5, 0.5, 0.5),
        min=0.0,
        max=1.0,
    )


@with_settings("look", _OWN)
class DIFFBMP_PG_look(bpy.types.PropertyGroup):
    palette: EnumProperty(
        items=_PALETTES, default="any", name="Palette", description="Choose which colors stamps may have"
    )
    colors: CollectionProperty(type=DIFFBMP_PG_color, name="Colors", description="The only colors stamps may have")
    match: EnumProperty(
        items=tuple((name, label, text) for name, (label, text, _) in MATCHES.items()),
        default="color",
        name="Match",
        description="Choose how likeness is measured",
    )


DIFFBMP_PG_look.__annotations__ |= {
    name: FloatProperty(name=label, description=f"{text}. 0 = not at all, 1 = strongly", **_PREFERENCE)
    for name, (label, text, _, _) in PREFERENCES.items()
}


class _Coloring(bpy.types.Operator):
    """An operator that changes a palette."""

    bl_options = {"UNDO"}

    region: IntProperty(name="Region", description="Index of the palette's region; -1 = none", default=-1, min=-1)

    def change(self, colors: Any) -> set[str]:
        """Changes the colors of the palette. Returns the operator's result."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.diffbmp
        regions = settings.regions.entries
        if self.region >= len(regions):
            self.report({"ERROR"}, f"There is no region {self.region}: the list has {len(regions)}")
            return {"CANCELLED"}
        return self.change((settings if self.region < 0 else regions[self.region]).look.colors)


class DIFFBMP_OT_add_color(_Coloring):
    bl_idname = "diffbmp.add_color"
    bl_label = "Add Color"
    bl_description = "Add a color to those that stamps may have"

    def change(self, colors: Any) -> set[str]:
        colors.add()
        return {"FINISHED"}


class DIFFBMP_OT_remove_color(_Coloring):
    bl_idname = "diffbmp.remove_color"
    bl_label = "Remove Color"
    bl_description = "Remove this color from the list"

    index: IntProperty(name="Index", description="Index of the color in the list, from 0", min=0)

    def change(self, colors: Any) -> set[str]:
        if self.index >= len(colors):
            self.report({"ERROR"}, f"There is no color {self.index}: the list has {len(colors)}")
            return {"CANCELLED"}
        colors.remove(self.index)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (DIFFBMP_PG_color, DIFFBMP_PG_look, DIFFBMP_OT_add_color, DIFFBMP_OT_remove_color)
)
