"""A setting, stated once: a field of a dataclass that knows its range, unit and choices, and how it is explained.

What is checked, the command line's options, Blender's properties, the presets and docs/settings.md follow from it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import UnionType
from typing import Any, get_args, get_origin

from .errors import UserError
from .schema import check_choice, check_range, type_hints

Choices = Mapping[Any, tuple[str, str]]
"""What can be chosen: the label and the explanation of each."""
ANY_NUMBER = (-math.inf, math.inf)


@dataclass(frozen=True)
class Setting:
    """What is known of a setting. `field` tells its name and type.

    within: the least and the greatest number, of one or of each of several. zero: what 0 means, which may lie outside.
    soft: where Blender's slider ends. unit: "px", "s", "rad", "ppi", "%", or "share" for what Blender shows in
    percent of 1. pattern: of values beside the choices. group: the property group of Blender, below Scene.diffbmp, and
    the heading on the command line; "" = it is no property. option: of the command line; None = there is none.
    """

    default: Any
    label: str
    help: str
    within: tuple[float, float] = ANY_NUMBER
    zero: str = ""
    soft: float | None = None
    unit: str = ""
    choices: Choices = field(default_factory=dict)
    pattern: str = ""
    group: str = ""
    preset: bool = False
    option: str | None = ""

    @property
    def text(self) -> str:
        """The explanation, with what 0 means."""
        return f"{self.help}; 0 = {self.zero}" if self.zero else self.help


def setting(default: Any, label: str, help: str, within: tuple[float, float] = ANY_NUMBER, **stated: Any) -> Any:
    """A field of a dataclass, as `field` makes it. stated: what else a Setting knows."""
    metadata = {"setting": Setting(default, label, help, within, **stated)}
    if isinstance(default, (dict, list)):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


_STATED: dict[type[Any], dict[str, Setting]] = {}
"""By class, for the sake of layouts with many stamps."""


def settings_of(kind: type[Any]) -> dict[str, Setting]:
    """The settings of a dataclass by their names."""
    if kind not in _STATED:
        _STATED[kind] = {f.name: f.metadata["setting"] for f in fields(kind) if f.metadata}
    return _STATED[kind]


def option_of(name: str, one: Setting) -> str | None:
    """The command line's option for a setting, None if there is none."""
    return f"--{name.replace('_', '-')}" if one.option == "" else one.option


def check(instance: Any) -> None:
    """Raises UserError for the first setting of a dataclass's instance that is not as it states."""
    hints = type_hints(type(instance))
    for name, one in settings_of(type(instance)).items():
        _check(name, getattr(instance, name), hints[name], one)


def check_value(kind: type[Any], name: str, value: Any, called: str = "") -> None:
    """Raises UserError where a dataclass cannot have a value. called: the setting's name in the sentence."""
    _check(called or name, value, type_hints(kind)[name], settings_of(kind)[name])


def _check(name: str, value: Any, hint: Any, one: Setting) -> None:
    kind, arguments = (None, ()) if isinstance(hint, type) else (get_origin(hint), get_args(hint))
    if kind is UnionType:  # X | None
        if value is not None:
            _check(name, value, arguments[0], one)
    elif kind is dict:
        for key, item in value.items():
            _check(f"The weight of the {one.label.lower()} {key}", item, arguments[1], one)
    elif kind is list:
        for item in value:
            _check(name, item, arguments[0], one)
    elif kind is tuple:
        if len(value) != len(arguments):
            raise UserError(f"{name} is {value!r}, but {len(arguments)} numbers are needed")
        if len(value) == 2 and not value[0] <= value[1]:
            raise UserError(f"{name} is {value!r}, but a lower and an upper limit are needed")
        for item, argument in zip(value, arguments, strict=True):
            _check(name, item, argument, one)
    elif one.choices:
        if not (one.pattern and re.fullmatch(one.pattern, value)):
            check_choice(name, value, one.choices)
    elif hint in (int, float) and not (one.zero and value == 0):
        check_range(name, value, *one.within, beside=", or 0" if one.zero and one.within[0] > 0 else "")
