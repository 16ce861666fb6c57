"""Reads an artist's preset as data: assignments of plain values to settings, in the form in which Blender writes them.

Nothing in the file is executed. It knows nothing of Blender.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...backend.job import UserError, quoted

MAX_BYTES = 1_000_000
MAX_LETTERS = 300
"""Greatest length of a value."""

HEAD = ("import bpy", "settings = bpy.context.scene.diffbmp")
"""First lines of a preset."""

_SETTING = re.compile(r"settings\.(\w+)\.(\w+) = (.+)")
_COLORS = re.compile(
    r"settings\.look\.colors\.clear\(\)|item_sub_1 = settings\.look\.colors\.add\(\)|item_sub_1\.name = .*"
)
_COLOR = re.compile(r"item_sub_1\.color = (.+)")


@dataclass
class PresetFile:
    """What a preset holds: values by group and name, and the colors of the palette, None = none were saved."""

    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    colors: list[Any] | None = None


def read_preset(path: Path) -> PresetFile:
    """Reads a preset. Raises UserError where the file holds anything but settings."""
    try:
        if path.stat().st_size > MAX_BYTES or not path.is_file():
            raise UserError(f"The preset {quoted(path.stem)} is no file of settings: remove it")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The preset {quoted(path.stem)} cannot be read: save it again") from error
    preset = PresetFile()
    for line in map(str.rstrip, lines):
        if found := _SETTING.fullmatch(line):
            preset.values[found[1], found[2]] = _value(found[3], path.stem)
        elif found := _COLOR.fullmatch(line):
            preset.colors = [*(preset.colors or []), _value(found[1], path.stem)]
        elif _COLORS.fullmatch(line):
            preset.colors = preset.colors or []
        elif line not in ("", *HEAD) and not line.startswith("#"):
            raise _foreign(line, path.stem)
    return preset


def _value(text: str, name: str) -> bool | int | float | str | tuple[float, ...]:
    """Returns a plain value. Raises UserError for any other."""
    try:
        value = ast.literal_eval(text) if len(text) <= MAX_LETTERS else None
        numbers = value if isinstance(value, tuple) else (value,)
        if isinstance(value, str) or all(isinstance(one, int | float) and math.isfinite(one) for one in numbers):
            return value  # type: ignore[return-value]  # mypy does not follow `all`
    except (ValueError, SyntaxError, TypeError, OverflowError, MemoryError, RecursionError):
        pass
    raise _foreign(text, name)


def _foreign(text: str, name: str) -> UserError:
    return UserError(f"The preset {quoted(name)} holds {quoted(text)}, which is no setting: save it again")
