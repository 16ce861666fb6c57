"""Optimize, and what is seen of it while it runs."""

from __future__ import annotations

import bpy

from ..backend.job import UserError
from ..operators.environment import backend_python
from ..operators.folders import ADD_ON
from ..operators.optimize import describe_quality, describe_seconds
from ..operators.preview import PREVIEW
from ..operators.recover import offered
from ..operators.run import Run
from ..operators.target import moves
from .backend import draw_installation
from .text import draw_sentence

PREVIEW_SCALE = 8.0
"""Of the preview, in heights of a button."""


def draw_start(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Draws the button that starts an optimization, and why it cannot."""
    try:
        backend_python()
    except UserError as error:
        if not draw_installation(layout, context.region.width):
            draw_sentence(layout, error.message, "ERROR", context.region.width)
        layout.operator("preferences.addon_show", text="Install Backend", icon="IMPORT").module = ADD_ON
    if offered(context.scene) is not None:
        draw_sentence(layout, "An optimization of this scene was interrupted.", "RECOVER_LAST", context.region.width)
        row = layout.row(align=True)
        row.operator("diffbmp.recover").use = True
        row.operator("diffbmp.recover", text="Forget It").use = False
    row = layout.row()
    row.scale_y = 1.5
    row.operator("diffbmp.optimize", icon="PLAY")
    _draw_preview(layout)


def draw_live(layout: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    """Draws whether an optimization is shown as planes while it runs, which may be changed meanwhile."""
    row = layout.row()
    row.use_property_split = False
    row.active = not moves(scene)
    row.prop(scene.diffbmp.fit, "live")


def draw_run(layout: bpy.types.UILayout, run: Run) -> None:
    """Draws how far an optimization is, and what can be done about it."""
    progress = run.progress
    done, text, quality = 0.0, f"{run.doing} ...", " "  # a line without text: what is below must not jump
    if progress:
        done = progress.step / max(1, progress.total)
        text = f"{progress.step:,} / {progress.total:,}, {describe_seconds(progress.seconds_left)} left"
        quality = describe_quality(progress)
    elif run.state != "collecting":
        text = "Starting ..."
    if run.state in ("paused", "cancelling"):
        text = {"paused": "Paused", "cancelling": "Cancelling ..."}[run.state]
    layout.progress(factor=done, text=text)
    layout.label(text=quality)
    row = layout.row(align=True)
    row.scale_y = 1.5
    paused = run.state == "paused"
    row.operator("diffbmp.pause", text="Continue" if paused else "Pause", icon="PLAY" if paused else "PAUSE")
    row.operator("diffbmp.cancel", icon="CANCEL")
    _draw_preview(layout)


def _draw_preview(layout: bpy.types.UILayout) -> None:
    if PREVIEW.icon:
        layout.template_icon(icon_value=PREVIEW.icon, scale=PREVIEW_SCALE)
        layout.operator("diffbmp.show_preview", icon="IMAGE_DATA")
