"""What the result is to look like, as Scene.diffbmp.look, and the buttons of its list of colors."""

import bpy
from bpy.props import CollectionProperty, EnumProperty, FloatProperty, FloatVectorProperty, IntProperty

from ...backend.job import Settings

_DEFAULTS = Settings()

_PALETTES = (
    ("any", "Any", "Each stamp gets the color that fits best"),
    ("target", "From Target", "Only a number of colors, which are taken from the target"),
    ("given", "Given", "Only the colors of the list"),
)
_ORDERS = (
    ("free", "Free", "Whichever order fits best"),
    ("small_front", "Small in Front", "Details lie on top of large stamps"),
    ("large_front", "Large in Front", "Large stamps lie on top of small ones"),
)
_MATCHES = (
    ("color", "Color", "Come as close to the target's colors as can be"),
    ("crisp", "Crisp", "Prefer crisp forms to exact colors; small details may give way to flat color"),
    ("brightness", "Brightness", "Match light and dark only; colors remain roughly as they are found at the start"),
)


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


def _preference(name: str, description: str) -> FloatProperty:
    """A property from 0 = of no account to 1 = strong."""
    return FloatProperty(
        name=name,
        description=f"{description}. 0 = of no account, 1 = strong",
        subtype="FACTOR",
        default=0.0,
        min=0.0,
        max=1.0,
    )


class DIFFBMP_PG_look(bpy.types.PropertyGroup):
    palette: EnumProperty(items=_PALETTES, default="any", name="Palette", description="Which colors stamps may have")
    palette_size: IntProperty(
        name="Colors", description="Number of colors that are taken from the target", default=8, min=1, max=256
    )
    colors: CollectionProperty(type=DIFFBMP_PG_color, name="Colors", description="The only colors stamps may have")
    order: EnumProperty(
        items=_ORDERS, default=_DEFAULTS.order, name="Order", description="Which stamps lie in front of others"
    )
    spacing: FloatProperty(
        name="Spacing",
        description=(
            "Distance between the centers of any two stamps at least, in percent of the canvas's longer side; 0 = any"
        ),
        subtype="PERCENTAGE",
        precision=2,
        default=100.0 * _DEFAULTS.spacing,
        min=0.0,
        max=100.0,
        soft_max=10.0,
    )
    match: EnumProperty(items=_MATCHES, default="color", name="Match", description="How likeness is measured")
    structure: _preference(
        "Structure", "Render texture and fine detail, such as eyes and lettering, at the cost of color"
    )
    outlines: _preference("Outlines", "Keep outlines in place and calm areas calm")
    follow: _preference("Follow Edges", "Lay the stamps along the target's outlines")
    flow: _preference("Flow", "Turn neighboring stamps alike, as in fur, grass or brush strokes")
    apart: _preference("Side by Side", "Lay the stamps beside each other rather than over each other, as in a mosaic")
    inside: _preference("Inside Canvas", "Keep the stamps whole, within the edges of the canvas")


class _Coloring(bpy.types.Operator):
    """What the operators of the palettes have in common: whose palette it is."""

    bl_options = {"UNDO"}

    region: IntProperty(name="Region", description="The region whose palette it is, -1 = of none", default=-1, min=-1)

    def colors(
        self, context: bpy.types.Context
    ) -> "bpy.types.bpy_prop_collection_idprop[bpy.types.PropertyGroup] | None":
        """The palette's colors; None, and reported, where there is no such region."""
        settings = context.scene.diffbmp
        if self.region < 0:
            return settings.look.colors
        if self.region < len(settings.regions.entries):
            return settings.regions.entries[self.region].look.colors
        self.report({"ERROR"}, f"There is no region {self.region}: the list has {len(settings.regions.entries)}")
        return None


class DIFFBMP_OT_add_color(_Coloring):
    bl_idname = "diffbmp.add_color"
    bl_label = "Add Color"
    bl_description = "Add a color to those that stamps may have"

    def execute(self, context: bpy.types.Context) -> set[str]:
        colors = self.colors(context)
        if colors is None:
            return {"CANCELLED"}
        colors.add()
        return {"FINISHED"}


class DIFFBMP_OT_remove_color(_Coloring):
    bl_idname = "diffbmp.remove_color"
    bl_label = "Remove Color"
    bl_description = "Remove this color from the list"

    index: IntProperty(name="Index", description="Its place in the list, from 0", min=0)

    def execute(self, context: bpy.types.Context) -> set[str]:
        colors = self.colors(context)
        if colors is None:
            return {"CANCELLED"}
        if self.index >= len(colors):
            self.report({"ERROR"}, f"There is no color {self.index}: the list has {len(colors)}")
            return {"CANCELLED"}
        colors.remove(self.index)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (DIFFBMP_PG_color, DIFFBMP_PG_look, DIFFBMP_OT_add_color, DIFFBMP_OT_remove_color)
)
