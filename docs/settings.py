"""Writes docs/settings.md, the reference of all settings, from the add-on's own properties; `--check` only compares.

ENV/bin/python -m docs.settings [--check], from the project's folder, in an environment that has bpy.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "settings.md"

HEAD = """# Settings

What each setting of the sidebar does, with its unit, range and default, in the order of the panels. Scripts find it by
the name in the first column, below `bpy.context.scene.diffbmp`. This page is written by `docs/settings.py` from the
add-on itself.
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


def main() -> int:
    from tests.addon.conftest import ADD_ON

    bpy.ops.wm.read_factory_settings(use_empty=True)
    ADD_ON.register()
    try:
        text = HEAD + "".join(_part(*part) for part in PARTS)
    finally:
        ADD_ON.unregister()
    if "--check" in sys.argv:
        return int(OUT.read_text(encoding="utf-8") != text)
    OUT.write_text(text, encoding="utf-8")
    return 0


def _part(path: str, title: str, what: str) -> str:
    rows = "".join(f"| `{name}` | {label} | {kind} | {text} |\n" for name, label, kind, text in _rows(_group(path)))
    return f"\n## {title}\n\n`{path}`. {what}\n\n| name | label | values | effect |\n|---|---|---|---|\n{rows}"


def _group(path: str) -> Any:
    """The type of what stands at a path."""
    found: Any = bpy.types.Scene.bl_rna.properties["diffbmp"].fixed_type
    for part in path.split("."):
        found = found.properties[part.removesuffix("[]")].fixed_type
    return found


def _rows(group: Any) -> Iterator[tuple[str, str, str, str]]:
    for name, kind in group.properties.items():
        if name in ("rna_type", "name") or kind.type == "COLLECTION" or not kind.description:
            continue
        yield name, kind.name, _values(kind), kind.description.replace("|", "\\|")


def _values(kind: Any) -> str:
    """Range, unit and default."""
    if kind.type == "ENUM":
        return ", ".join(
            f"**{item.identifier}**" if item.identifier == kind.default else item.identifier for item in kind.enum_items
        )
    if kind.type == "BOOLEAN":
        return "**on**, off" if kind.default else "on, **off**"
    if kind.type in ("INT", "FLOAT"):
        if getattr(kind, "is_array", False):
            low, high = _number(kind, kind.hard_min), _number(kind, kind.hard_max)
            return f"{low} to {high}, **{', '.join(map(_short, kind.default_array))}**"
        unit = {"PIXEL": " px", "PERCENTAGE": " %", "TIME_ABSOLUTE": " s", "ANGLE": "°"}.get(kind.subtype, "")
        low, high, default = (_number(kind, value) for value in (kind.hard_min, kind.hard_max, kind.default))
        return f"{low} to {high}{unit}, **{default}{unit}**"
    return {"POINTER": getattr(kind.fixed_type, "name", "") if kind.type == "POINTER" else "", "STRING": "text"}[
        kind.type
    ]


def _number(kind: Any, value: float) -> str:
    return _short(math.degrees(value) if kind.subtype == "ANGLE" else value)


def _short(value: float) -> str:
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1e6 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
