"""A layout as one flat picture."""

from __future__ import annotations

from pathlib import Path

from ..images import save_png
from ..job import Layout
from ..rendering import render_layout
from ..templates import Templates


def export_png(layout: Layout, templates: Templates, path: Path) -> None:
    """The first frame at the canvas's size, 8 bits: RGB, or straight RGBA where the canvas is transparent."""
    picture = render_layout(layout, templates, transparent=layout.transparent)
    save_png(path, picture if layout.transparent else picture[:3])
