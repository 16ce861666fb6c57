"""Help with errors: buttons that change a setting, the log, and a report to copy."""

from __future__ import annotations

import os
import platform
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from ...backend.job import Action, UserError
from ..install.environment import backend_python, own_folder, preferences
from ..install.packages import host_of
from ..process.worker import ADD_ON_FOLDER
from ..result.rebuild import source_of
from ..session.anonymous import names_of_user, path_symbol, without_names
from ..session.logs import latest_log
from ..session.notice import NOTICE
from ..session.reports import Reports
from ..session.screen import editor, redraw

LOG_LINES = 40
"""Number of log lines at the end of a report."""

LINE_LETTERS = 1000
"""Greatest length of a line of the log in a report."""

_LOG_NAME = "DiffBMP Log"


def report_of(scene: bpy.types.Scene) -> str:
    """Writes a report about an error: versions, device, settings, error and log, without names of people and places.

    Raises UserError as user_folder does.
    """
    manifest = tomllib.loads((ADD_ON_FOLDER / "blender_manifest.toml").read_text(encoding="utf-8"))
    chosen = preferences()
    try:
        python = backend_python()
    except UserError as error:
        python = error.message
    lines = [
        f"DiffBMP {manifest['version']}, Blender {bpy.app.version_string}, Python {platform.python_version()}",
        f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} threads",
        f"Backend: {python}",
        f"Verdict: {chosen.verdict if chosen and chosen.verdict else 'not verified in this session'}",
        f"Error: {NOTICE.text if NOTICE.is_error else 'none'}",
        "",
        "Settings that are not the defaults:",
        *(f"  {path} = {value}" for path, value in _changed(scene.diffbmp)),
        "",
        "Log:",
        *(line[:LINE_LETTERS] for line in latest_log().splitlines()[-LOG_LINES:]),
    ]
    return without_names("\n".join(lines), _known_places(), _known_names())


def _known_places() -> dict[str, str]:
    """Symbols for the add-on's folders, and for the artist's files, whatever letters their names have."""
    places = {str(ADD_ON_FOLDER): "<addon>", str(own_folder().path): "<backend>"}
    kinds = (bpy.data.images, bpy.data.movieclips, bpy.data.libraries, bpy.data.fonts, bpy.data.texts)
    for block in (block for kind in kinds for block in kind):
        if os.path.isabs(path := bpy.path.abspath(block.filepath)):
            places[path] = path_symbol(path)
    return places | ({bpy.data.filepath: "<path>.blend"} if bpy.data.filepath else {})


def _known_names() -> list[str]:
    chosen = preferences()
    return [*names_of_user(), host_of(chosen.index) if chosen else "", Path(bpy.data.filepath).stem]


def _changed(group: bpy.types.PropertyGroup, path: str = "") -> Iterator[tuple[str, Any]]:
    """Settings that differ from the defaults; of texts and datablocks only that they are set."""
    for name, kind in group.bl_rna.properties.items():
        if name in ("rna_type", "name"):
            continue
        value, own = getattr(group, name), f"{path}{name}"
        if kind.type == "POINTER":
            if isinstance(value, bpy.types.PropertyGroup):
                yield from _changed(value, f"{own}.")
            elif value is not None:
                yield own, type(value).__name__
        elif kind.type == "COLLECTION":
            if len(value):
                yield own, f"{len(value)} entries"
        elif kind.type == "STRING":
            if value != kind.default:
                yield own, "set"
        else:
            default = tuple(kind.default_array) if getattr(kind, "is_array", False) else kind.default
            shown = tuple(value) if getattr(kind, "is_array", False) else value
            if shown != default:
                yield own, shown


class DIFFBMP_OT_mend(bpy.types.Operator):
    bl_idname = "diffbmp.mend"
    bl_label = "Change Setting"
    bl_description = "Change the setting that causes the error. Then optimize again"
    bl_options = {"UNDO"}

    action: bpy.props.EnumProperty(
        items=(
            (Action.USE_CPU.value, "Use CPU", "Compute on the CPU"),
            (Action.HALVE_SIZE.value, "Halve the Size", "Use a canvas of half the size, in a quarter of the memory"),
        ),
        name="Action",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = (source_of(context.scene) or context.scene).diffbmp
        if self.action == Action.USE_CPU:
            settings.backend.engine = "cpu"
            NOTICE.tell("The engine is the CPU now: optimize again")
        else:
            settings.fit.size = max(1, settings.fit.size // 2)
            NOTICE.tell(f"The size is {settings.fit.size} px now: optimize again")
        return {"FINISHED"}


class DIFFBMP_OT_show_log(Reports):
    bl_idname = "diffbmp.show_log"
    bl_label = "Show Log"
    bl_description = "Show the latest log of the backend in a Text Editor"

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            log = latest_log()
        except UserError as error:
            return self.fail(error)
        text = bpy.data.texts.get(_LOG_NAME) or bpy.data.texts.new(_LOG_NAME)
        text.from_string(log or "There is no log yet.\n")
        text.use_fake_user = False
        if not bpy.app.background:
            editor(context, "TEXT_EDITOR").text = text
        return {"FINISHED"}


class DIFFBMP_OT_copy_report(Reports):
    bl_idname = "diffbmp.copy_report"
    bl_label = "Copy Report"
    bl_description = "Copy versions, device, settings, the error and the end of the log for a bug report"

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            report = report_of(source_of(context.scene) or context.scene)
        except UserError as error:
            return self.fail(error)
        if bpy.app.background:
            sys.stdout.write(report + "\n")
        else:
            context.window_manager.clipboard = report
        self.report({"INFO"}, "The report was copied")
        redraw()
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (DIFFBMP_OT_mend, DIFFBMP_OT_show_log, DIFFBMP_OT_copy_report)
)
