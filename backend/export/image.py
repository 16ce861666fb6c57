"""A layout as one flat picture."""

from __future__ import annotations

from pathlib import Path

from ..images import save_png
from ..job import Layout
from ..rendering import render_layout
from ..templates import Templates


def export_png(layout: Layout, templates: Templates, path: Path) -> None:
    """The first frame at the canvas's size with 8 bits: RGB over the layout's background, RGBA of a transparent one."""
    picture = render_layout(layout, templates, transparent=layout.transparent)
    save_png(path, picture if layout.transparent else picture[:3])
