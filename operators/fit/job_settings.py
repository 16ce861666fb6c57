"""The scene's properties as what the backend is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import bpy

from ...backend.job import Color, Limits, Settings, UserError
from ..settings.numbers import number
from ..target.properties import moves

_MATCHES = {"color": "mse", "crisp": "l1", "brightness": "gray_mse"}
"""The loss of the image, by what the user wants to be matched."""

_PREFERENCES = {
    "structure": ("ssim", 0.1),
    "outlines": ("edge", 0.1),
    "follow": ("alignment", 0.1),
    "flow": ("smoothness", 0.1),
    "apart": ("overlap", 0.01),
    "inside": ("boundary", 0.1),
}
"""Further losses by what the user prefers, and their weights where that is strong."""


def fit_settings(scene: bpy.types.Scene) -> Settings:
    """What the scene asks for, but for its stamps. Raises UserError for a palette without colors."""
    if lacks_colors(scene):
        raise UserError("The palette has no colors: add at least one")
    fit, backend = scene.diffbmp.fit, scene.diffbmp.backend
    settings = Settings(
        count=fit.count,
        size=fit.size,
        iterations=fit.steps,
        time_limit=number(fit.time_limit),
        seed=fit.seed,
        recipe=fit.recipe,
        space=fit.space,
        background=_color(fit.background),
        transparent=scene.diffbmp.target.transparent,
        recording=0 if moves(scene) else fit.recording,
        engine=backend.engine,
        threads=backend.threads,
    )
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
    values = {"usage": region.limits.usage} if region.own_limits else {}
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
    values: dict[str, Any] = {}
    if not limits.free_rotation:
        values["rotation_range"] = (number(limits.rotation_min), number(limits.rotation_max))
    if limits.opaque:
        values["opacity_range"] = (1.0, 1.0)
    else:
        values["opacity_range"] = (number(limits.opacity_min), number(limits.opacity_max))
    return Limits(
        stretch=number(limits.stretch),
        mirror=limits.mirror,
        size_range=(number(limits.size_min / 100), number(limits.size_max / 100)),
        most=limits.most,
        **values,
    )


def _steering(scene: bpy.types.Scene) -> dict[str, Any]:
    """Those of the settings that not every recipe uses."""
    return {**_look(scene.diffbmp.look), "usage": scene.diffbmp.limits.usage}


def _look(look: bpy.types.PropertyGroup) -> dict[str, Any]:
    return {
        "losses": _losses(look),
        "spacing": number(look.spacing / 100),
        "order": look.order,
        "palette_size": look.palette_size if look.palette == "target" else 0,
        "palette": [_color(item.color) for item in look.colors] if look.palette == "given" else [],
    }


def _losses(look: bpy.types.PropertyGroup) -> dict[str, float]:
    """Weights by name; none where the recipe's own loss is all that is wanted."""
    preferred = {
        loss: number(weight * getattr(look, name))
        for name, (loss, weight) in _PREFERENCES.items()
        if getattr(look, name) > 0
    }
    if look.match == "color" and not preferred:
        return {}
    return {_MATCHES[look.match]: 1.0, **preferred}


def _color(values: bpy.types.bpy_prop_array[float]) -> Color:
    red, green, blue = values
    return number(red), number(green), number(blue)
