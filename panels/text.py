"""Sentences in a layout: Blender's labels do not wrap."""

from __future__ import annotations

import textwrap

import bpy

from ..operators.folders import ADD_ON
from ..operators.session import NOTICE

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


def draw_notice(layout: bpy.types.UILayout, width: float) -> None:
    """Draws the latest thing to tell, and what can be done about it."""
    if not NOTICE.text:
        return
    draw_sentence(layout, NOTICE.text, "ERROR" if NOTICE.is_error else "INFO", width)
    if not NOTICE.is_error:
        return
    row = layout.row(align=True)
    if NOTICE.action == "install":
        row.operator("preferences.addon_show", text="Install Backend", icon="IMPORT").module = ADD_ON
    elif NOTICE.action in ("use_cpu", "halve_size"):
        text = {"use_cpu": "Use CPU", "halve_size": "Halve the Size"}[NOTICE.action]
        row.operator("diffbmp.mend", text=text, icon="MODIFIER").action = NOTICE.action
    row.operator("diffbmp.show_log", icon="TEXT")
    row.operator("diffbmp.copy_report", icon="COPYDOWN")
