"""How the stamps are fitted, as Scene.diffbmp.fit."""

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
)

from ...backend.job import MAX_COUNT, MAX_RECORDING, MAX_SIZE, PRESETS, Settings

_DEFAULTS = Settings()


_PRESETS = (
    *((name, name.title(), f"{values['iterations']} steps") for name, values in PRESETS.items()),
    ("custom", "Custom", "A number of steps of your own"),
)
_RECIPES = (
    ("default", "Default", "Stamps that are of little use are moved to where they are needed most"),
    ("paper", "Published", "As the method was published: a soft texture of large, half-transparent stamps"),
)
_SPACES = (
    ("display", "Display", "Blend the stamps as Photoshop and Krita do, in display-encoded numbers"),
    ("linear", "Linear", "Blend the stamps as light, as Blender does by default"),
)


def _take_preset(fit: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    if fit.preset != "custom":
        fit.steps = PRESETS[fit.preset]["iterations"]


def _leave_preset(fit: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    if fit.preset != "custom" and fit.steps != PRESETS[fit.preset]["iterations"]:
        fit.preset = "custom"


class DIFFBMP_PG_fit(bpy.types.PropertyGroup):
    preset: EnumProperty(
        items=_PRESETS,
        default="normal",
        name="Preset",
        description="How thoroughly the stamps are fitted",
        update=_take_preset,
    )
    count: IntProperty(
        name="Count", description="Number of stamps to place", default=_DEFAULTS.count, min=1, max=MAX_COUNT
    )
    size: IntProperty(
        name="Size",
        description="Longer side of the canvas on which the stamps are fitted",
        subtype="PIXEL",
        default=_DEFAULTS.size,
        min=1,
        max=MAX_SIZE,
    )
    steps: IntProperty(
        name="Steps",
        description="More steps come closer to the target and take longer",
        default=_DEFAULTS.iterations,
        min=1,
        max=1_000_000,
        soft_max=1000,
        update=_leave_preset,
    )
    time_limit: FloatProperty(
        name="Time Limit",
        description="Seconds that fitting may take: it hurries to end well in time; 0 = none",
        subtype="TIME_ABSOLUTE",
        default=_DEFAULTS.time_limit,
        min=0.0,
        max=1e6,
        soft_max=600.0,
        step=100,
        precision=1,
    )
    live: BoolProperty(
        name="Planes While It Runs",
        description="Show the stamps as they move, in a scene of their own that is there until the optimization ends. "
        "For still targets",
        default=False,
    )
    recording: IntProperty(
        name="Record",
        description="Pictures of the fit's course that are kept, for the animation Recording in the panel Result; "
        "0 = none",
        default=_DEFAULTS.recording,
        min=0,
        max=MAX_RECORDING,
        soft_max=250,
    )
    recipe: EnumProperty(
        items=_RECIPES, default=_DEFAULTS.recipe, name="Recipe", description="The way in which the stamps are fitted"
    )
    seed: IntProperty(name="Seed", description="Another seed gives another arrangement", default=_DEFAULTS.seed, min=0)
    space: EnumProperty(
        items=_SPACES,
        default=_DEFAULTS.space,
        name="Blending",
        description="The space in which stamps that lie over each other are blended",
    )
    background: FloatVectorProperty(
        name="Background",
        description="Color of the canvas behind the stamps",
        subtype="COLOR_GAMMA",
        size=3,
        default=_DEFAULTS.background,
        min=0.0,
        max=1.0,
    )


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_fit,))
