"""Turns the scene's properties into the backend's settings and limits."""

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
    """Returns the scene's settings, except for its stamps. Raises UserError for a palette without colors."""
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
    """Returns the limits of all stamps. Raises UserError where a stamp could not be seen."""
    return limits_of(scene.diffbmp.limits) if takes_steering(scene) else Limits()


def region_settings(region: bpy.types.PropertyGroup) -> dict[str, Any]:
    """Returns the Settings that a DIFFBMP_PG_region has of its own, by name; none where the recipe ignores them.

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
    """Returns the limits of stamps in a DIFFBMP_PG_region; None where they are the same as elsewhere.

    Raises UserError where a stamp could not be seen.
    """
    return limits_of(region.limits) if region.own_limits and takes_steering(region.id_data) else None


def color_mode(stamps: bpy.types.PropertyGroup) -> tuple[Literal["tint", "mix", "multiply"], float]:
    """Returns how the own colors of stamps are used, and how much of them, 0 to 1. stamps: all of them, or one."""
    return ("mix", 1.0) if stamps.mode == "original" else (stamps.mode, number(stamps.blend))


def lacks_colors(scene: bpy.types.Scene) -> bool:
    """Returns whether the palette is a list without colors."""
    look = scene.diffbmp.look
    return takes_steering(scene) and look.palette == "given" and not look.colors


def takes_steering(scene: bpy.types.Scene) -> bool:
    """Returns whether the recipe uses the stamps' limits, the importance and the look."""
    return bool(scene.diffbmp.fit.recipe != "paper")


def unused_settings(scene: bpy.types.Scene) -> str:
    """Says which changed settings the recipe ignores; "" if there are none."""
    if takes_steering(scene):
        return ""
    is_default = limits_of(scene.diffbmp.limits) == Limits() and replace(Settings(), **_steering(scene)) == Settings()
    target = scene.diffbmp.target
    if is_default and target.importance is None and target.importance_object is None:
        return ""
    return "The stamps' limits and the look, because the recipe Published does not use them"


def limits_of(limits: bpy.types.PropertyGroup) -> Limits:
    """Returns the limits that a group of properties holds. Raises UserError where a stamp could not be seen."""
    values = values_of(limits, Limits, "limits")
    if limits.free_rotation:
        del values["rotation_range"]
    if limits.opaque:
        values["opacity_range"] = (1.0, 1.0)
    return Limits(**values)


def losses_of(look: bpy.types.PropertyGroup) -> dict[str, float]:
    """Returns the losses' weights by name for a DIFFBMP_PG_look; none where the recipe's own loss suffices."""
    preferred = {
        loss: number(weight * getattr(look, name))
        for name, (_, _, loss, weight) in PREFERENCES.items()
        if getattr(look, name) > 0
    }
    if look.match == "color" and not preferred:
        return {}
    return {MATCHES[look.match][-1]: 1.0, **preferred}


def _steering(scene: bpy.types.Scene) -> dict[str, Any]:
    """The settings that some recipes ignore."""
    return {**_look(scene.diffbmp.look), **values_of(scene.diffbmp.limits, Settings, "limits")}


def _look(look: bpy.types.PropertyGroup) -> dict[str, Any]:
    return {
        **values_of(look, Settings, "look"),
        "losses": losses_of(look),
        "palette_size": look.palette_size if look.palette == "target" else 0,
        "palette": [_color(item.color) for item in look.colors] if look.palette == "given" else [],
    }


def _color(values: bpy.types.bpy_prop_array[float]) -> Color:
    red, green, blue = values
    return number(red), number(green), number(blue)
