"""A layout as one flat picture."""

from __future__ import annotations

from pathlib import Path

from ..images import save_png
from ..job import Layout
from ..rendering import render_layout
from ..templates import Templates


def export_png(layout: Layout, templates: Templates, path: Path) -> None:
    """The first frame at the canvas's size over the layout's background, RGB with 8 bits."""
    save_png(path, render_layout(layout, templates)[:3])
