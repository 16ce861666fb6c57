"""How the stamps are fitted, as Scene.diffbmp.fit."""

import bpy
from bpy.props import BoolProperty, EnumProperty

from ...backend.job import PRESETS
from .fields import with_settings

_PRESETS = (
    *((name, name.title(), f"Take {values['iterations']} steps") for name, values in PRESETS.items()),
    ("custom", "Custom", "Set the number of steps"),
)


def _take_preset(fit: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    if fit.preset != "custom":
        fit.steps = PRESETS[fit.preset]["iterations"]


def _leave_preset(fit: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    if fit.preset != "custom" and fit.steps != PRESETS[fit.preset]["iterations"]:
        fit.preset = "custom"


@with_settings("fit", {"steps": {"update": _leave_preset}, "time_limit": {"step": 100, "precision": 1}})
class DIFFBMP_PG_fit(bpy.types.PropertyGroup):
    preset: EnumProperty(
        items=_PRESETS,
        default="normal",
        name="Preset",
        description="Choose how thoroughly the stamps are fitted",
        update=_take_preset,
    )
    live: BoolProperty(
        name="Planes While It Runs",
        description="Show the stamps as they move, in a scene that is removed when the optimization ends. For still "
        "targets",
        default=False,
    )


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_fit,))
