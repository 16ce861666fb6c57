"""Sentences in a layout: Blender's labels do not wrap."""

from __future__ import annotations

import textwrap

import bpy

_CHARACTER = 6.7
"""Width of a letter, px at the interface's scale 1."""


def draw_sentence(layout: bpy.types.UILayout, text: str, icon: str, width: float) -> None:
    """Draws a sentence in as many lines as a region of `width` px needs."""
    scale = bpy.context.preferences.system.ui_scale
    column = layout.column(align=True)
    column.scale_y = 0.8
    letters = max(12, int(width / scale / _CHARACTER) - 8)
    for number, line in enumerate(textwrap.wrap(text, letters)):
        column.label(text=line, icon="BLANK1" if number else icon)
