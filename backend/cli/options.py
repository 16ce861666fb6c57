"""Settings as options of the command line, made from their declarations in backend.job."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Collection
from types import UnionType
from typing import Any, get_args, get_origin

from ..job import Color, Setting, UserError, check_value, option_of, quoted, settings_of, type_hints

_HEADINGS = {
    "fit": "the fit",
    "backend": "the engine",
    "target": "the target",
    "limits": "limits of every stamp",
    "look": "the look",
    "build": "continuing from a layout",
    "clip": "moving targets",
}
"""Titles of the help by the group of the settings."""

_METAVARS = {"px": "PX", "s": "SECONDS", "ppi": "PPI"}


def add_settings(
    parser: argparse.ArgumentParser, *kinds: type[Any], without: Collection[str] = ()
) -> dict[str, argparse._ActionsContainer]:
    """Adds an option for each setting of dataclasses, except `without`. Returns the headings by group."""
    headings: dict[str, argparse._ActionsContainer] = {}
    for kind in kinds:
        for name, one in settings_of(kind).items():
            if one.group not in headings:
                title = _HEADINGS.get(one.group)
                headings[one.group] = parser.add_argument_group(title) if title else parser
            if name not in without and one.option is not None:
                add_setting(headings[one.group], kind, name)
    return headings


def add_setting(where: argparse._ActionsContainer, kind: type[Any], name: str) -> None:
    """Adds the option of one setting. Its value is None unless it is given: see given()."""
    one = settings_of(kind)[name]
    default = _shown(one.default, one.unit)
    text = f"{one.text} ({default})" if default else one.text
    form = _form(kind, name, type_hints(kind)[name], one)
    where.add_argument(str(option_of(name, one)), default=None, help=text.replace("%", "%%"), **form)


def given(args: argparse.Namespace, kind: type[Any], without: Collection[str] = ()) -> dict[str, Any]:
    """Returns the settings of a dataclass that a command line gives, by name, except `without`."""
    found = {}
    for name, one in settings_of(kind).items():
        value = getattr(args, str(option_of(name, one)).lstrip("-").replace("-", "_"), None)
        if value is not None and name not in without:
            origin: Any = get_origin(type_hints(kind)[name])
            found[name] = origin(value) if origin in (tuple, dict) else value
    return found


def _form(kind: type[Any], name: str, hint: Any, one: Setting) -> dict[str, Any]:
    """Returns the arguments of add_argument for a setting's type."""
    if get_origin(hint) is UnionType:
        hint = get_args(hint)[0]
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if hint == Color:
        return {"type": _color, "metavar": "RRGGBB"}
    if hint == list[Color]:
        return {"type": _colors, "metavar": "RRGGBB,RRGGBB"}
    if get_origin(hint) is dict:
        return {"type": _weighted, "nargs": "+", "metavar": "NAME=WEIGHT"}
    if get_origin(hint) is tuple:
        return {"type": degrees if one.unit == "rad" else float, "nargs": 2, "metavar": ("LOW", "HIGH")}
    if one.pattern:
        return {"type": _checked(kind, name), "metavar": f"{{{','.join(one.choices)},...}}"}
    if one.choices:
        several = {"nargs": "+"} if get_origin(hint) is list else {}
        return {"type": type(next(iter(one.choices))), "choices": list(one.choices), **several}
    return {"type": hint, "metavar": _METAVARS.get(one.unit, "N" if hint is int else "X")}


def _shown(default: Any, unit: str) -> str:
    """Returns a default as it would be typed; "" = there is no way to type it."""
    if default is None or default in ([], {}):
        return ""
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, tuple) and len(default) == 3:
        return "".join(f"{round(255 * value):02x}" for value in default)
    if isinstance(default, tuple):
        return " ".join(_shown(value, unit) for value in default)
    return f"{math.degrees(default) if unit == 'rad' else default:g}" if isinstance(default, float) else str(default)


def _checked(kind: type[Any], name: str) -> Callable[[str], str]:
    def checked(text: str) -> str:
        try:
            check_value(kind, name, text)
        except UserError as error:
            raise argparse.ArgumentTypeError(error.message) from None
        return text

    return checked


def degrees(text: str) -> float:
    """Returns an angle in radians from text in degrees."""
    return math.radians(float(text))


def _color(text: str) -> Color:
    digits = text.strip().removeprefix("#")
    if not re.fullmatch("[0-9a-fA-F]{6}", digits):
        raise argparse.ArgumentTypeError(
            f"{quoted(text)} is not a color: six hexadecimal digits such as ffffff are needed"
        )
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def _colors(text: str) -> list[Color]:
    return [_color(part) for part in text.split(",")]


def frame_range(text: str) -> tuple[int, int]:
    """Returns the first and the last frame of text such as 1-48; 0 = no end."""
    found = re.fullmatch(r"(\d{1,9})(-(\d{0,9}))?", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a range of frames such as 1-48")
    first = int(found[1])
    if found[3] and int(found[3]) == 0:
        raise argparse.ArgumentTypeError(
            f"{quoted(text)} ends with frame 0, but frames count from 1: leave the end out"
        )
    return first, first if found[2] is None else int(found[3] or 0)


def _weighted(text: str) -> tuple[str, float]:
    """Returns the name and the weight of text such as mse=1; the weight is 1 if omitted."""
    name, _, weight = text.partition("=")
    try:
        return name, float(weight or 1.0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a loss with its weight, such as mse=1") from None
