"""Optimize, and its progress."""

from __future__ import annotations

import bpy

from ..backend.job import Action
from ..operators.fit.needs import leaves_card, why_install
from ..operators.fit.optimize import describe_quality, describe_seconds
from ..operators.fit.preview import PREVIEW
from ..operators.fit.recover import offered
from ..operators.fit.warm_up import warm_up
from ..operators.process.fit_run import Run
from ..operators.session.slots import RUN
from ..operators.target.properties import moves
from .install import draw_installation
from .layouts import Sidebar, draw_action, draw_notice, draw_sentence, settings_layout

PREVIEW_SCALE = 8.0
"""Height of the preview, in buttons."""


def draw_start(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Draws the button that starts an optimization, and what must be installed before."""
    warm_up(context.scene)
    draw_needs(layout, context, context.scene)
    if offered(context.scene) is not None:
        draw_sentence(layout, "An optimization of this scene was interrupted.", "RECOVER_LAST", context.region.width)
        row = layout.row(align=True)
        row.operator("diffbmp.recover").use = True
        row.operator("diffbmp.recover", text="Forget It").use = False
    row = layout.row()
    row.scale_y = 1.5
    row.operator("diffbmp.optimize", icon="PLAY")
    _draw_preview(layout)


def draw_needs(layout: bpy.types.UILayout, context: bpy.types.Context, scene: bpy.types.Scene) -> None:
    """Draws what must be installed before a scene can be optimized, or the progress of that; else nothing."""
    reason = why_install(scene)
    if draw_installation(layout, context.region.width):
        return
    if reason:
        draw_sentence(layout, reason, "ERROR", context.region.width)
        draw_action(layout, Action.INSTALL)
    elif leaves_card(scene):
        row = layout.split(factor=0.6)
        row.label(text="CPU (Install for the GPU)")
        draw_action(row, Action.INSTALL)


def draw_live(layout: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    """Draws whether an optimization is shown as planes, which may be changed while it runs."""
    row = layout.row()
    row.use_property_split = False
    row.active = not moves(scene)
    row.prop(scene.diffbmp.fit, "live")


def draw_run(layout: bpy.types.UILayout, run: Run) -> None:
    """Draws the progress of an optimization, and the buttons that pause and cancel it."""
    progress = run.progress
    done, text, quality = 0.0, f"{run.doing} ...", " "  # an empty line: what is below must not jump
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


class DIFFBMP_PT_optimize(Sidebar):
    bl_label = "Optimize"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 50

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        column = settings_layout(layout)
        for name in ("count", "size", "preset", "steps"):
            column.prop(context.scene.diffbmp.fit, name)
        draw_live(layout, context.scene)
        if RUN.task is None:
            draw_start(layout, context)
        else:
            draw_run(layout, RUN.task)
        draw_notice(layout, context.region.width)


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PT_optimize,))
