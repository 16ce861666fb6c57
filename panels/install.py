"""What is installed beside Blender's own Python, or the progress of an installation."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

from ..operators.install.env_folder import LONG_PATH, BackendFolder, describe_size
from ..operators.install.environment import is_outdated, own_folder
from ..operators.install.installation import Installation
from ..operators.install.lock import digest
from ..operators.install.packages import estimate_build
from ..operators.session.slots import INSTALL
from .layouts import draw_sentence, letters_of, split_layout

_OFFER = (
    "DiffBMP works as it is. Install adds NVIDIA cards, targets with frames, PSD files, movies, likeness by more "
    "than Color and Crisp, and the recipe Published."
)


def draw_installation(layout: bpy.types.UILayout, width: float, lines: bool = False) -> bool:
    """Draws the progress of a running installation or removal. Returns whether there is one.

    width: of the region, px. lines: whether to draw the last lines of its log, too.
    """
    task = INSTALL.task
    if task is None:
        return False
    if not isinstance(task, Installation):
        layout.label(text="Removing ...", icon="TRASH")
        return True
    row = layout.row(align=True)
    row.progress(factor=task.state.fraction, text=task.state.text)
    row.operator("diffbmp.cancel_install", text="", icon="CANCEL")
    if lines:
        column = layout.box().column(align=True)
        column.scale_y = 0.7
        letters = max(20, letters_of(width))
        for line in task.state.tail:
            column.label(text=line if len(line) <= letters else f"{line[: letters - 1]}…")
    return True


def draw_own_environment(layout: bpy.types.UILayout, chosen: bpy.types.AddonPreferences, width: float) -> None:
    """Draws the settings and buttons of the add-on's own environment. width: of the region, px."""
    folder = own_folder()
    column = split_layout(layout.column())
    column.enabled = INSTALL.task is None
    column.prop(chosen, "device")
    column.prop(chosen, "folder", placeholder=str(folder.path))
    if sys.platform == "win32" and len(str(folder.path)) > LONG_PATH:
        draw_sentence(
            column, f"This path is long for Windows, which allows 260 characters: {folder.path}", "ERROR", width
        )
    column.prop(chosen, "wheels", placeholder="None: packages come from the network")
    column.prop(chosen, "index", placeholder="The usual one")
    column.prop(chosen, "newest")
    if draw_installation(layout, width, lines=True):
        return
    _draw_state(layout, folder, chosen, width)
    if folder.flaw() and not chosen.wheels and not bpy.app.online_access:
        row = layout.row()
        row.label(text="Blender is not allowed to go online.", icon="INTERNET_OFFLINE")
        row.operator("extensions.userpref_allow_online", text="Allow Online Access")


def _draw_state(
    layout: bpy.types.UILayout, folder: BackendFolder, chosen: bpy.types.AddonPreferences, width: float
) -> None:
    marker, flaw = folder.marker, folder.flaw()
    if marker is None:
        draw_sentence(layout, _OFFER, "INFO", width)
    elif is_outdated(folder) and not flaw:
        draw_sentence(layout, "Another version of DiffBMP has installed this: press Update to use it.", "ERROR", width)
    elif not flaw:
        versions = f"PyTorch {marker.packages.get('torch', '')}, Python {marker.python}"
        layout.label(text=f"Installed: {versions}, {describe_size(marker.size)}", icon="CHECKMARK")
    else:
        draw_sentence(layout, flaw, "ERROR", width)
    row = layout.row(align=True)
    text = f"Install ({_describe_download(chosen)})"
    if marker:
        text = "Resume Installation" if not marker.whole else "Repair" if flaw else "Reinstall"
        lock = "" if chosen.newest or chosen.wheels else digest()
        if not flaw and (is_outdated(folder) or marker.lock != lock):
            text = "Update"
    row.operator("diffbmp.install_backend", text=text, icon="IMPORT")
    row.operator("diffbmp.verify_backend", icon="CHECKMARK")
    row.operator("diffbmp.remove_backend", icon="TRASH")
    row.operator("diffbmp.show_install_log", icon="TEXT")


def _describe_download(chosen: bpy.types.AddonPreferences) -> str:
    if chosen.wheels:
        return f"from {Path(chosen.wheels).name or chosen.wheels}"
    return f"about {describe_size(estimate_build(chosen.device).sizes[0])}"
