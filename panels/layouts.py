"""Parts of all panels: their place, their columns, sentences that wrap, and the notice at the end."""

from __future__ import annotations

import textwrap

import bpy

from ..backend.job import Action
from ..operators.blender.folders import ADD_ON
from ..operators.fit.job_settings import takes_steering
from ..operators.session.notice import NOTICE
from ..operators.session.slots import RUN

_CHARACTER = 6.7
"""Width of a letter, px at the interface's scale 1."""

BUTTONS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    Action.INSTALL: ("preferences.addon_show", "Install", "IMPORT", {"module": ADD_ON}),
    Action.USE_CPU: ("diffbmp.mend", "Use CPU", "MODIFIER", {"action": Action.USE_CPU}),
    Action.HALVE_SIZE: ("diffbmp.mend", "Halve the Size", "MODIFIER", {"action": Action.HALVE_SIZE}),
    Action.ALLOW_ONLINE: ("extensions.userpref_allow_online", "Allow Online Access", "INTERNET", {}),
    Action.SHOW_LOG: ("diffbmp.show_log", "Show Log", "TEXT", {}),
}
"""The button for each action of an error: operator, text, icon and properties."""


def letters_of(width: float) -> int:
    """Returns how many letters fit in a line of a region of `width` px."""
    return int(width / bpy.context.preferences.system.ui_scale / _CHARACTER) - 8


def draw_sentence(layout: bpy.types.UILayout, text: str, icon: str, width: float) -> None:
    """Draws a sentence in as many lines as a region of `width` px needs."""
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(textwrap.wrap(text, max(12, letters_of(width)))):
        column.label(text=line, icon="BLANK1" if number else icon)


def draw_notice(layout: bpy.types.UILayout, width: float) -> None:
    """Draws the latest message, and buttons that help with an error. width: of the region, px."""
    if not NOTICE.text:
        return
    draw_sentence(layout, NOTICE.text, "ERROR" if NOTICE.is_error else "INFO", width)
    if not NOTICE.is_error:
        return
    row = layout.row(align=True)
    for action in dict.fromkeys((NOTICE.action, Action.SHOW_LOG)):
        draw_action(row, action)
    row.operator("diffbmp.copy_report", icon="COPYDOWN")


def draw_action(layout: bpy.types.UILayout, action: str) -> None:
    """Draws the button for an action of an error; none for one that is unknown."""
    if action in BUTTONS:
        operator, text, icon, settings = BUTTONS[action]
        button = layout.operator(operator, text=text, icon=icon)
        for name, value in settings.items():
            setattr(button, name, value)


class Sidebar(bpy.types.Panel):
    """A panel in the DiffBMP tab of the 3D view's sidebar."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "DiffBMP"


def split_layout(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """Returns the layout, with the properties' names on the left and their values on the right."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    return layout


def settings_layout(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """Returns a column for settings, grayed out while an optimization is running."""
    column = split_layout(layout).column()
    column.enabled = RUN.task is None
    return column


def steering_layout(layout: bpy.types.UILayout, context: bpy.types.Context) -> bpy.types.UILayout:
    """Returns a column for settings that some recipes ignore; there it says so, and grays them out."""
    is_used = takes_steering(context.scene)
    if not is_used:
        draw_sentence(layout, "The recipe Published uses none of this.", "INFO", context.region.width)
    column = settings_layout(layout)
    column.enabled = is_used and RUN.task is None
    return column


def draw_together(layout: bpy.types.UILayout, group: bpy.types.PropertyGroup, *names: str) -> None:
    """Draws properties that belong together, without gaps between them."""
    column = layout.column(align=True)
    for name in names:
        column.prop(group, name)
