"""The scene's properties as what the backend is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import bpy

from ...backend.job import Color, Limits, Settings, UserError
from ..settings.fields import values_of
from ..settings.likeness import MATCHES, PREFERENCES
from ..settings.numbers import number
from ..target.properties import moves


def fit_settings(scene: bpy.types.Scene) -> Settings:
    """What the scene asks for, but for its stamps. Raises UserError for a palette without colors."""
    if lacks_colors(scene):
        raise UserError("The palette has no colors: add at least one")
    properties = scene.diffbmp
    settings = Settings(
        **values_of(properties.fit, Settings, "fit"),
        **values_of(properties.backend, Settings, "backend"),
        **values_of(properties.target, Settings, "target"),
    )
    if moves(scene):
        settings = replace(settings, recording=0)
    return replace(settings, **_steering(scene)) if takes_steering(scene) else settings


def stamp_limits(scene: bpy.types.Scene) -> Limits:
    """What each stamp may do. Raises UserError where it could not be seen."""
    return _limits(scene.diffbmp.limits) if takes_steering(scene) else Limits()


def region_settings(region: bpy.types.PropertyGroup) -> dict[str, Any]:
    """Those of the Settings, by their names, that a DIFFBMP_PG_region has of its own; none where the recipe uses none.

    Raises UserError for a palette without colors.
    """
    if not takes_steering(region.id_data):
        return {}
    values = values_of(region.limits, Settings, "limits") if region.own_limits else {}
    if not region.own_look:
        return values
    if region.look.palette == "given" and not region.look.colors:
        raise UserError(f"The palette of the region {region.name} has no colors: add at least one")
    return {**values, **_look(region.look)}


def region_limits(region: bpy.types.PropertyGroup) -> Limits | None:
    """What each stamp may do in a DIFFBMP_PG_region; None where that is the same as elsewhere.

    Raises UserError where it could not be seen.
    """
    return _limits(region.limits) if region.own_limits and takes_steering(region.id_data) else None


def own_limits(limits: bpy.types.PropertyGroup) -> Limits:
    """What a stamp may do that has limits of its own. Raises UserError where it could not be seen."""
    return _limits(limits)


def color_mode(stamps: bpy.types.PropertyGroup) -> tuple[Literal["tint", "mix", "multiply"], float]:
    """How own colors enter, and how much of them: of all stamps, or of one."""
    return ("mix", 1.0) if stamps.mode == "original" else (stamps.mode, number(stamps.blend))


def lacks_colors(scene: bpy.types.Scene) -> bool:
    """Whether only colors of a list may be used that holds none."""
    look = scene.diffbmp.look
    return takes_steering(scene) and look.palette == "given" and not look.colors


def takes_steering(scene: bpy.types.Scene) -> bool:
    """Whether the recipe uses limits of stamps, importance, and what is set of the look."""
    return bool(scene.diffbmp.fit.recipe != "paper")


def unused_settings(scene: bpy.types.Scene) -> str:
    """What is set, but not used by the recipe; "" if nothing is."""
    if takes_steering(scene):
        return ""
    is_default = _limits(scene.diffbmp.limits) == Limits() and replace(Settings(), **_steering(scene)) == Settings()
    target = scene.diffbmp.target
    if is_default and target.importance is None and target.importance_object is None:
        return ""
    return "What is set of the stamps' limits and the look, because the recipe Published does not use it"


def _limits(limits: bpy.types.PropertyGroup) -> Limits:
    values = values_of(limits, Limits, "limits")
    if limits.free_rotation:
        del values["rotation_range"]
    if limits.opaque:
        values["opacity_range"] = (1.0, 1.0)
    return Limits(**values)


def _steering(scene: bpy.types.Scene) -> dict[str, Any]:
    """Those of the settings that not every recipe uses."""
    return {**_look(scene.diffbmp.look), **values_of(scene.diffbmp.limits, Settings, "limits")}


def _look(look: bpy.types.PropertyGroup) -> dict[str, Any]:
    return {
        **values_of(look, Settings, "look"),
        "losses": _losses(look),
        "palette_size": look.palette_size if look.palette == "target" else 0,
        "palette": [_color(item.color) for item in look.colors] if look.palette == "given" else [],
    }


def _losses(look: bpy.types.PropertyGroup) -> dict[str, float]:
    """Weights by name; none where the recipe's own loss is all that is wanted."""
    preferred = {
        loss: number(weight * getattr(look, name))
        for name, (_, _, loss, weight) in PREFERENCES.items()
        if getattr(look, name) > 0
    }
    if look.match == "color" and not preferred:
        return {}
    return {MATCHES[look.match][-1]: 1.0, **preferred}


def _color(values: bpy.types.bpy_prop_array[float]) -> Color:
    red, green, blue = values
    return number(red), number(green), number(blue)
