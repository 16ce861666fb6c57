"""The backend's settings as Blender's properties, with their label, help, range, unit and choices, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, get_origin

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, FloatVectorProperty, IntProperty

from ...backend.job import (
    Animation,
    Choices,
    Clip,
    Color,
    ExportSettings,
    Limits,
    Range,
    RegionSpec,
    Setting,
    Settings,
    TemplateSpec,
    settings_of,
    type_hints,
)
from .likeness import PREFERENCES
from .numbers import number

KINDS = (Limits, Settings, Clip, TemplateSpec, RegionSpec, Animation, ExportSettings)
"""The dataclasses that hold settings."""

_NAMES = {
    ("fit", "iterations"): ("preset", "steps"),
    ("limits", "rotation_range"): ("free_rotation", "rotation_min", "rotation_max"),
    ("limits", "opacity_range"): ("opaque", "opacity_min", "opacity_max"),
    ("look", "losses"): ("match", *PREFERENCES),
    ("export", "width"): ("scale",),
    ("export", "frames"): ("use_range", "first_frame", "last_frame"),
}
"""The properties of a setting, by its group and name, where their names differ from its own."""

_UNITS = {
    "px": ("PIXEL", 1),
    "s": ("TIME_ABSOLUTE", 1),
    "rad": ("ANGLE", 1),
    "%": ("PERCENTAGE", 1),
    "share": ("PERCENTAGE", 100),
}
"""Blender's subtype for a unit, and the factor from the setting to the property."""

C = TypeVar("C", bound=type)
Own = Mapping[str, Mapping[str, Any]]
Update = Callable[[bpy.types.PropertyGroup, bpy.types.Context], None]


def names_of(kind: type[Any], name: str) -> tuple[str, ...]:
    """Returns the properties of a setting. The last one holds the value, or the last two its limits."""
    stem = name.removesuffix("_range")
    usual = (name,) if stem == name else (f"{stem}_min", f"{stem}_max")
    return _NAMES.get((settings_of(kind)[name].group, name), usual)


def preset_names(kinds: Sequence[type[Any]] = KINDS) -> dict[str, tuple[str, ...]]:
    """Returns the properties that a preset holds and resets, by their group below Scene.diffbmp."""
    found: dict[str, tuple[str, ...]] = {}
    for kind in kinds:
        for name, one in settings_of(kind).items():
            if one.preset:
                found[one.group] = found.get(one.group, ()) + names_of(kind, name)
    return found


def with_settings(group: str, own: Own | None = None, kinds: Sequence[type[Any]] = KINDS) -> Callable[[C], C]:
    """Decorates a property group, or a mixin of operators: gives it the properties for all settings of a group.

    own: keywords that differ from the setting, by the property's name. Properties of the class itself are kept.
    """
    own = own or {}

    def decorate(cls: C) -> C:
        made: dict[str, Any] = {}
        for kind, name in _fields(group, kinds):
            names = names_of(kind, name)
            if type_hints(kind)[name] == Range:
                made |= _pair(kind, name, names[-2:], own)
            else:
                made[names[-1]] = property_of(kind, name, **own.get(names[-1], {}))
        cls.__annotations__ = {**made, **cls.__annotations__}
        return cls

    return decorate


def property_of(kind: type[Any], name: str, **own: Any) -> Any:
    """Returns Blender's property for a setting of one value. own: keywords that differ from the setting."""
    one, hint = settings_of(kind)[name], type_hints(kind)[name]
    shown = {"name": one.label, "description": one.text}
    if hint is bool:
        return BoolProperty(**{**shown, "default": one.default, **own})
    if one.choices:
        return EnumProperty(**{**shown, "items": items_of(one.choices), "default": str(one.default), **own})
    if hint == Color:
        low, high = one.within
        ranged = {"min": low, "max": high, "default": one.default, "size": 3, "subtype": "COLOR_GAMMA"}
        return FloatVectorProperty(**{**shown, **ranged, **own})
    return _number_property(hint, one, {"default": one.default * _factor(one), **shown, **own})


def items_of(choices: Choices) -> tuple[tuple[str, str, str], ...]:
    """Returns the items of an EnumProperty."""
    return tuple((str(value), label, text) for value, (label, text) in choices.items())


def values_of(properties: Any, kind: type[Any], group: str) -> dict[str, Any]:
    """Returns the settings of a dataclass by name, from the properties of a group."""
    return {name: _value(properties, kind, name) for _, name in _fields(group, (kind,))}


def _fields(group: str, kinds: Sequence[type[Any]]) -> list[tuple[type[Any], str]]:
    """The settings of a group that a property, or a pair of them, can hold."""
    stated = [(kind, name, one) for kind in kinds for name, one in settings_of(kind).items() if one.group == group]
    return [(kind, name) for kind, name, one in stated if _is_property(type_hints(kind)[name], one)]


def _is_property(hint: Any, one: Setting) -> bool:
    if one.choices:
        return get_origin(hint) is not list
    return hint in (bool, int, float, Color, Range)


def _factor(one: Setting) -> int:
    return _UNITS[one.unit][1] if one.unit in _UNITS else 1


def _number_property(hint: type[Any], one: Setting, own: dict[str, Any]) -> Any:
    factor, (low, high) = _factor(one), one.within
    stated: dict[str, Any] = {"min": (0 if one.zero and low > 0 else low) * factor, "max": high * factor}
    if one.soft is not None:
        stated["soft_max"] = one.soft * factor
    if one.unit in _UNITS:
        stated["subtype"] = _UNITS[one.unit][0]
    elif one.within == (0.0, 1.0):
        stated["subtype"] = "FACTOR"
    return (IntProperty if hint is int else FloatProperty)(**{**stated, **own})


def _pair(kind: type[Any], name: str, names: tuple[str, ...], own: Own) -> dict[str, Any]:
    """The properties of a lower and an upper limit, which keep their order by themselves."""
    one, (lower, upper) = settings_of(kind)[name], names
    low, high = (value * _factor(one) for value in one.default)
    least = {"name": f"{one.label} Min", "description": f"{one.text} (lower limit)", "default": low}
    most = {"name": "Max", "description": f"{one.text} (upper limit)", "default": high}
    return {
        lower: _number_property(float, one, {**least, "update": _in_order(lower, upper, max), **own.get(lower, {})}),
        upper: _number_property(float, one, {**most, "update": _in_order(upper, lower, min), **own.get(upper, {})}),
    }


def _in_order(changed: str, other: str, nearer: Callable[[float, float], float]) -> Update:
    """Moves the other limit along where the changed one would pass it."""

    def update(group: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
        limit, kept = getattr(group, changed), getattr(group, other)
        if nearer(limit, kept) != kept:
            setattr(group, other, limit)

    return update


def _value(properties: Any, kind: type[Any], name: str) -> Any:
    one, hint = settings_of(kind)[name], type_hints(kind)[name]
    names = names_of(kind, name)
    if hint == Color:
        return tuple(number(value) for value in getattr(properties, names[-1]))
    if hint == Range:
        return tuple(_kept(getattr(properties, limit), one) for limit in names[-2:])
    value = getattr(properties, names[-1])
    if one.choices:
        return {str(choice): choice for choice in one.choices}[value]
    return _kept(value, one) if hint is float else value


def _kept(value: float, one: Setting) -> float:
    """The number of a property as the setting takes it: at its ends, single precision may lie beyond."""
    low, high = (0.0 if one.zero else one.within[0]), one.within[1]
    return min(max(number(value / _factor(one)), low), high)
