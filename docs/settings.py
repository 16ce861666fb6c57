"""Writes docs/settings.md, the reference of all settings, from the add-on's own properties; `--check` only compares.

ENV/bin/python -m docs.settings [--check], from the project's folder, in an environment that has bpy.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import bpy

from backend.job import Setting, option_of, settings_of

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "settings.md"

HEAD = """# Settings

What each setting does, with its unit, range and default, in the order of the panels, and its option on the command
line where it has one. Scripts find it by the name in the first column, below `bpy.context.scene.diffbmp`. This page is
written by `docs/settings.py` from the add-on itself.
"""

PARTS = (
    ("target", "Target", "What the stamps are to be."),
    ("clip", "Animation", "Of targets that move."),
    ("stamps", "Stamps", "All stamps of the scene."),
    ("stamps.entries[]", "A stamp", "Of each stamp in the list."),
    ("limits", "Stamp Limits", "What the stamps may do; also of a stamp or of a region that has its own."),
    ("look", "Look", "What is preferred beside likeness; also of a region that has its own."),
    ("regions.overall", "Mask", "Where stamps may lie at all, and so the area of each region."),
    ("regions.entries[]", "A region", "Of each region in the list."),
    ("fit", "Optimize and Advanced", "How it is fitted."),
    ("backend", "Engine", "What computes."),
    ("build", "Result", "How a layout is shown in Blender."),
    ("animate", "Animate", "Animations made of a still layout."),
    ("output", "Output", "Of a scene that was built."),
)


NO_LIMIT = 2**31 - 1
"""From here on, a range is that of the type of number."""

Row = tuple[str, str, str, str, str]
"""Name, label, values, effect and option."""


def main() -> int:
    from tests.addon.conftest import ADD_ON

    bpy.ops.wm.read_factory_settings(use_empty=True)
    ADD_ON.register()
    try:
        text = HEAD + "".join(_part(*part) for part in PARTS) + _export() + _without_blender()
    finally:
        ADD_ON.unregister()
    if "--check" in sys.argv:
        return int(OUT.read_text(encoding="utf-8") != text)
    OUT.write_text(text, encoding="utf-8")
    return 0


def _part(path: str, title: str, what: str) -> str:
    return _table(title, f"`{path}`. {what}", rows_of(_group(path).properties.items(), path))


def _export() -> str:
    from diffbmp.operators.output.export_options import ExportOptions

    operators: Any = bpy.ops
    properties = operators.diffbmp.export_psd.get_rna_type().properties
    shown = [(name, properties[name]) for name in ExportOptions.__annotations__]
    return _table("Export", "Of `bpy.ops.diffbmp.export_*`, each of which uses some.", rows_of(shown, "export"))


def _without_blender() -> str:
    from diffbmp.operators.settings.fields import KINDS, names_of

    rows = [
        (f"{kind.__name__}.{name}", one.label, _stated(one), one.text, option_of(name, one) or "")
        for kind in KINDS
        for name, one in settings_of(kind).items()
        if one.group != "export"
        and not (one.group and set(names_of(kind, name)) & set(_group(one.group).properties.keys()))
    ]
    return _table("Without Blender", "Of job folders and of the command line alone.", rows)


def _table(title: str, what: str, rows: Iterable[Row]) -> str:
    lines = "".join(
        f"| `{name}` | {label} | {values} | {effect} | {f'`{option}`' if option else ''} |\n"
        for name, label, values, effect, option in rows
    )
    return f"\n## {title}\n\n{what}\n\n| name | label | values | effect | option |\n|---|---|---|---|---|\n{lines}"


def _group(path: str) -> Any:
    """The type of what stands at a path."""
    found: Any = bpy.types.Scene.bl_rna
    for part in ("diffbmp", *path.split(".")):
        found = found.properties[part.removesuffix("[]")].fixed_type
    return found


def rows_of(properties: Iterable[tuple[str, Any]], path: str, kinds: Sequence[type[Any]] = ()) -> Iterator[Row]:
    """The properties at a path that say what they do. kinds: where their settings are looked up, all by default."""
    options = _options(path, kinds)
    order = list(options)
    for name, kind in sorted(properties, key=lambda item: order.index(item[0]) if item[0] in options else -1):
        if name in ("rna_type", "name") or kind.type == "COLLECTION" or not kind.description:
            continue
        yield name, kind.name, _values(kind), kind.description.replace("|", "\\|"), options.get(name, "")


def _options(path: str, kinds: Sequence[type[Any]]) -> dict[str, str]:
    """The command line's options by the names of the properties at a path, in the order of the settings."""
    from diffbmp.operators.settings.fields import KINDS, names_of

    found = {
        property_name: option_of(name, one) or ""
        for kind in kinds or KINDS
        for name, one in settings_of(kind).items()
        if one.group in (path, path.partition(".")[0])
        for property_name in names_of(kind, name)
    }
    return {**found, "preset": "--preset"} if path == "fit" else found


def _values(kind: Any) -> str:
    """Range, unit and default."""
    if kind.type == "ENUM":
        return ", ".join(
            f"**{item.identifier}**" if item.identifier == kind.default else item.identifier for item in kind.enum_items
        )
    if kind.type == "BOOLEAN":
        return "**on**, off" if kind.default else "on, **off**"
    if kind.type in ("INT", "FLOAT"):
        shown = math.degrees if kind.subtype == "ANGLE" else lambda value: value
        unit = {"PIXEL": " px", "PERCENTAGE": " %", "TIME_ABSOLUTE": " s", "ANGLE": "°"}.get(kind.subtype, "")
        default = kind.default_array if getattr(kind, "is_array", False) else (kind.default,)
        return _range(shown(kind.hard_min), shown(kind.hard_max), [shown(value) for value in default], unit)
    return {"POINTER": getattr(kind.fixed_type, "name", "") if kind.type == "POINTER" else "", "STRING": "text"}[
        kind.type
    ]


def _stated(one: Setting) -> str:
    """As _values, of a setting that is no property."""
    if one.choices:
        return ", ".join(f"**{value}**" if value == one.default else str(value) for value in one.choices)
    return _range(*one.within, [one.default], f" {one.unit}" if one.unit else "")


def _range(low: float, high: float, default: Sequence[float], unit: str) -> str:
    """Without limits that only the type of number sets."""
    bold = f"**{', '.join(map(_short, default))}{unit}**"
    if low <= -NO_LIMIT:
        return bold
    return f"from {_short(low)}{unit}, {bold}" if high >= NO_LIMIT else f"{_short(low)} to {_short(high)}{unit}, {bold}"


def _short(value: float) -> str:
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
