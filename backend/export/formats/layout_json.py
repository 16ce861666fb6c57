"""A layout as JSON for scripts of any language, in the conventions of backend.job."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...job import SCHEMA, Layout, written_aside
from ..base import Export, Exporter

_PER_FRAME = ("x", "y", "scale", "aspect", "rotation", "opacity", "color")
_PER_PRIMITIVE = ("template", "level", "region", "mirror", "locked")


def export_json(task: Export) -> None:
    """Writes the canvas, the stamps and a line per primitive; what may move is a list with a value per frame.

    The first primitive is in front, unless primitives have a depth: then the one with the least.
    """
    layout, path = task.layout, task.path
    head = {
        "schema": SCHEMA,
        "width": layout.width,
        "height": layout.height,
        "space": layout.space,
        "background": layout.background,
        "transparent": layout.transparent,
        "fps": layout.fps,
        "frames": layout.frames,
        "templates": [{**asdict(spec), "file": Path(spec.file).name} for spec in layout.templates],
    }
    lines = []
    for index in range(layout.count):
        task.tell(index, layout.count)
        lines.append(json.dumps(primitive(layout, index)))
    text = ",\n".join(lines)
    with written_aside(path) as aside:
        aside.write_text(f'{json.dumps(head)[:-1]}, "primitives": [\n{text}\n]}}\n', encoding="utf-8")


def primitive(layout: Layout, index: int, frame: int | None = None) -> dict[str, Any]:
    """Returns a primitive for JSON: what may move is a list with a value per frame, or the value of one frame."""
    frames = slice(None) if frame is None else frame
    fixed = {name: getattr(layout, name)[index].tolist() for name in _PER_PRIMITIVE}
    if layout.depth is not None:
        fixed["depth"] = layout.depth[frames, index].tolist()
    return {**fixed, **{name: short(getattr(layout, name)[frames, index].tolist()) for name in _PER_FRAME}}


def short(value: Any) -> Any:
    """Shortens float32 numbers to their significant digits."""
    return [short(item) for item in value] if isinstance(value, list) else float(f"{value:.9g}")


EXPORTERS: dict[str, Exporter] = {".json": export_json}
