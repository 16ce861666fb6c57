"""Exports to other programs, and their progress."""

from __future__ import annotations

import bpy

from ..operators.output.export import EXPORTS
from ..operators.session.slots import EXPORT
from .layouts import Sidebar


def draw_export(layout: bpy.types.UILayout) -> None:
    """Draws a button for each kind of format, or the progress of the export that is running."""
    run = EXPORT.task
    if run is None:
        grid = layout.grid_flow(columns=2, even_columns=True, align=True)
        for kind in EXPORTS:
            grid.operator(kind.bl_idname, text=kind.bl_label.removeprefix("Export "))
        return
    exporting, text, done = run.exporting, f"{run.doing} ...", 0.0
    if exporting is not None:
        done = exporting.done / max(1, exporting.total)
        text = f"{run.out.name}, {100 * done:.0f} %"
    elif run.state != "collecting":
        text = "Starting ..."
    if run.state == "cancelling":
        text = "Cancelling ..."
    layout.progress(factor=done, text=text)
    layout.operator("diffbmp.cancel_export", icon="CANCEL")


class _Export(Sidebar):
    bl_label = "Export"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        draw_export(self.layout)


class DIFFBMP_PT_export(_Export):
    """Exports the layout of a scene with settings."""

    bl_parent_id = "DIFFBMP_PT_result"


class DIFFBMP_PT_export_built(_Export):
    """Exports what a built scene shows."""

    bl_parent_id = "DIFFBMP_PT_built"


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PT_export, DIFFBMP_PT_export_built))
