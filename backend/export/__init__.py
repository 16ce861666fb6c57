"""Layouts to files of other programs. A file a format; the ending of the file's name chooses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..files import UserError
from ..job import Layout
from ..templates import Templates
from .data import export_json
from .image import export_png

Exporter = Callable[[Layout, Templates, Path], None]

EXPORTERS: dict[str, Exporter] = {".png": export_png, ".json": export_json}


def export(layout: Layout, templates: Templates, path: Path) -> None:
    """Writes the layout in the format that the path's ending names. Raises UserError for one that is not known."""
    try:
        exporter = EXPORTERS[path.suffix.lower()]
    except KeyError as error:
        raise UserError(f"{path} has no known ending: choose one of {', '.join(EXPORTERS)}") from error
    exporter(layout, templates, path)
