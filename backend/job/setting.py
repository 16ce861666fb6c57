"""A setting, declared once: a field of a dataclass with its range, unit, choices and help text.

Checks, the command line's options, Blender's properties, presets and docs/settings.md follow from it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import UnionType
from typing import Any, get_args, get_origin

from .errors import UserError, quoted, shortened
from .schema import check_choice, check_range, type_hints

Choices = Mapping[Any, tuple[str, str]]
"""The label and the help text of each choice."""
ANY_NUMBER = (-math.inf, math.inf)


@dataclass(frozen=True)
class Setting:
    """The properties of a setting; the dataclass's field has its name and type.

    within: the least and the greatest number, also for each of several. zero: the meaning of 0, which may lie outside.
    soft: the end of Blender's slider. unit: "px", "s", "rad", "ppi", "%", or "share" for percent of 1 in Blender.
    pattern: a regular expression for values besides the choices. group: Blender's property group below Scene.diffbmp,
    and the heading on the command line; "" = not a property. option: on the command line; None = there is none.
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
        """The help text, with the meaning of 0."""
        return f"{self.help}; 0 = {self.zero}" if self.zero else self.help


def setting(default: Any, label: str, help: str, within: tuple[float, float] = ANY_NUMBER, **stated: Any) -> Any:
    """Returns a field of a dataclass, as `field` does. stated: further fields of Setting."""
    metadata = {"setting": Setting(default, label, help, within, **stated)}
    if isinstance(default, (dict, list)):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


_STATED: dict[type[Any], dict[str, Setting]] = {}
"""Settings by class, to read layouts with many stamps faster."""


def settings_of(kind: type[Any]) -> dict[str, Setting]:
    """Returns the settings of a dataclass by name."""
    if kind not in _STATED:
        _STATED[kind] = {f.name: f.metadata["setting"] for f in fields(kind) if f.metadata}
    return _STATED[kind]


def option_of(name: str, one: Setting) -> str | None:
    """Returns the command line's option for a setting, None if there is none."""
    return f"--{name.replace('_', '-')}" if one.option == "" else one.option


def check(instance: Any) -> None:
    """Raises UserError for the first setting of a dataclass's instance that has a wrong value."""
    hints = type_hints(type(instance))
    for name, one in settings_of(type(instance)).items():
        value = getattr(instance, name)
        if value is not one.default:  # which most have, of thousands of stamps
            _check(name, value, hints[name], one)


def check_value(kind: type[Any], name: str, value: Any, called: str = "") -> None:
    """Raises UserError for a wrong value of a dataclass's setting. called: its name in the message."""
    _check(called or name, value, type_hints(kind)[name], settings_of(kind)[name])


def _check(name: str, value: Any, hint: Any, one: Setting) -> None:
    kind, arguments = (None, ()) if isinstance(hint, type) else (get_origin(hint), get_args(hint))
    if kind is UnionType:  # X | None
        if value is not None:
            _check(name, value, arguments[0], one)
    elif kind is dict:
        for key, item in value.items():
            _check(f"The weight of the {one.label.lower()} {shortened(key)}", item, arguments[1], one)
    elif kind is list:
        for item in value:
            _check(name, item, arguments[0], one)
    elif kind is tuple:
        if len(value) != len(arguments):
            raise UserError(f"{name} is {quoted(value)}, but {len(arguments)} numbers are needed")
        if len(value) == 2 and not value[0] <= value[1]:
            raise UserError(f"{name} is {quoted(value)}, but a lower and an upper limit are needed")
        for item, argument in zip(value, arguments, strict=True):
            _check(name, item, argument, one)
    elif one.choices:
        if not (one.pattern and re.fullmatch(one.pattern, value)):
            check_choice(name, value, one.choices)
    elif hint in (int, float) and not (one.zero and value == 0):
        check_range(name, value, *one.within, beside=", or 0" if one.zero and one.within[0] > 0 else "")
