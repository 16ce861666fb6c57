"""JSON to dataclasses and back: strict keys, types, choices and ranges."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Collection
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .errors import UserError, quoted, shortened
from .files import written_aside

SCHEMA = 1
"""Version of job.json and layout.json."""

MOST_BYTES = 32 << 20
"""Greatest size of a JSON file, bytes: 100 times what is usual. No other code runs while Python reads it."""

_MOST_INTEGER = 1 << 63


def write_json(path: Path, data: dict[str, Any], *, parents: bool = True) -> None:
    """Writes an object to a file, a line for each key, dataclasses as objects: see written_aside."""
    # Indented by Python's own module, a thousand stamps would take a second.
    lines = (f" {json.dumps(key)}: {json.dumps(value, default=_fields_of)}" for key, value in data.items())
    with written_aside(path, parents=parents) as aside:
        aside.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _fields_of(value: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass, as it is. Raises TypeError for anything else."""
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} is not for JSON")
    return vars(value)


def read_json(path: Path) -> dict[str, Any]:
    """Reads the object in a regular file of JSON, without its schema number: see paths.inside.

    Raises UserError unless it has this schema.
    """
    try:
        with open(path, "rb") as file:  # reading takes as much memory as it may return
            text = file.read(min(os.fstat(file.fileno()).st_size, MOST_BYTES) + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    data = parse_json(text, str(path), MOST_BYTES)
    if not isinstance(data, dict) or data.pop("schema", None) != SCHEMA:
        raise UserError(f"{path} is not of this version: schema {SCHEMA} is needed")
    return data


def parse_json(text: str | bytes, where: str, most: int) -> Any:
    """Returns the value of JSON in UTF-8 from anywhere, of `most` bytes. where: its name in messages.

    NaN and infinite numbers are left to from_dict, which knows their keys. Raises UserError for all that is no JSON, is
    nested too deeply, or is too large.
    """
    if len(text) > most:
        raise UserError(f"{where} is larger than {most >> 20} MB: it is not one of DiffBMP")
    try:
        if isinstance(text, bytes):
            text = text.decode()
        return json.loads(text)
    except RecursionError as error:
        raise UserError(f"{where} is nested too deeply: it is not one of DiffBMP") from error
    except ValueError as error:
        raise UserError(f"{where} is not valid JSON: {error}") from error


def given_path(text: str) -> Path:
    """Returns a path that was given from outside, whether there is anything or not.

    Raises UserError for one that no system call takes: a name that is too long, a loop of links, a NUL.
    """
    check_text(text, "A path")
    try:
        os.stat(text)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno != errno.ENOTDIR:
            shown = shortened(text) if error.errno == errno.ENAMETOOLONG else text
            raise UserError(
                f"There is no {shown}, nor can there be ({error.strerror}): choose another place"
            ) from error
    return Path(text)


def check_text(text: str, where: str) -> None:
    """Raises UserError for text that can be no file's name: it holds a NUL, or half of a letter."""
    try:
        if b"\0" not in text.encode("utf-8", "surrogateescape"):
            return
    except UnicodeEncodeError:
        pass
    raise UserError(f"{where} is {quoted(text)}, which no file can be called: write it anew")


_HINTS: dict[type[Any], dict[str, Any]] = {}
"""Type hints by class: to resolve them for each object takes most of the time of reading a layout of many stamps."""


def type_hints(kind: type[Any]) -> dict[str, Any]:
    """Returns the types of a class's fields by name."""
    if kind not in _HINTS:
        _HINTS[kind] = get_type_hints(kind)
    return _HINTS[kind]


def from_dict(kind: type[Any], data: Any, where: str) -> Any:
    """Makes a dataclass from a JSON object. Raises UserError that names an unknown or missing key or a wrong type."""
    if not isinstance(data, dict):
        raise UserError(f"{where}: {quoted(data)} is not an object with the keys of {kind.__name__}")
    known = {f.name for f in fields(kind)}
    for key in data:
        if key not in known:
            raise UserError(f"{where}: unknown key {quoted(key)}; known are {', '.join(sorted(known))}")
    for f in fields(kind):
        if f.name not in data and f.default is MISSING and f.default_factory is MISSING:
            raise UserError(f"{where}: the key {f.name!r} is missing")
    hints = type_hints(kind)
    values = {key: _typed(key, value, hints[key], where) for key, value in data.items()}
    return kind(**values)


def _typed(key: str, value: Any, hint: Any, where: str) -> Any:
    """Returns a value as its type hint demands, lists as tuples. Raises UserError where it does not fit."""
    kind, arguments = get_origin(hint), get_args(hint)
    if kind is UnionType:  # X | None
        return None if value is None else _typed(key, value, arguments[0], where)
    if isinstance(hint, type) and is_dataclass(hint) and not isinstance(value, hint):
        return from_dict(hint, value, where)
    if type(value) in (int, float) and not abs(value) < (_MOST_INTEGER if type(value) is int else math.inf):
        raise UserError(f"{where}: {key} is {quoted(value)}, but a finite number is needed")
    if hint is float and type(value) is int:
        return float(value)
    if hint in (int, float, str, bool) and type(value) is not hint:
        raise UserError(f"{where}: {key} is {quoted(value)}, but a value of type {hint.__name__} is needed")
    if hint is str:
        check_text(value, f"{where}: {key}")
    if kind is Literal:
        check_choice(key, value, arguments)
    if kind is tuple:
        if not isinstance(value, (list, tuple)) or len(value) != len(arguments):
            raise UserError(f"{where}: {key} is {quoted(value)}, but a list of {len(arguments)} values is needed")
        return tuple(_typed(key, item, argument, where) for item, argument in zip(value, arguments, strict=True))
    if kind is list:
        if not isinstance(value, list):
            raise UserError(f"{where}: {key} is {quoted(value)}, but a list is needed")
        return [_typed(key, item, arguments[0], where) for item in value]
    if kind is dict:
        if not isinstance(value, dict):
            raise UserError(f"{where}: {key} is {quoted(value)}, but an object is needed")
        return {name: _typed(f"{key} {shortened(name)}", item, arguments[1], where) for name, item in value.items()}
    return value


def check_choice(name: str, value: Any, allowed: Collection[Any]) -> None:
    if value not in allowed:
        raise UserError(f"{name} is {quoted(value)}, but must be one of {', '.join(map(str, allowed))}")


def check_range(name: str, value: float, least: float, most: float, *, beside: str = "") -> None:
    if not abs(value) < math.inf:  # true for an integer that is too large for a float
        raise UserError(f"{name} is {value}, but a finite number is needed")
    if not least <= value <= most:
        shown = f"{value:g}" if abs(value) < _MOST_INTEGER else quoted(value)
        raise UserError(f"{name} is {shown}, but must be from {least:g} to {most:g}{beside}")


def objects_of(kind: type, data: dict[str, Any], name: str, where: str) -> list[Any]:
    """Removes a list of objects from a JSON object and returns them as dataclasses."""
    items = data.pop(name, [])
    if not isinstance(items, list):
        raise UserError(f"{where}: {name} is {quoted(items)}, but a list of objects is needed")
    return [from_dict(kind, item, where) for item in items]
