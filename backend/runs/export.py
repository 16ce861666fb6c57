"""Runs of exports."""

from __future__ import annotations

from pathlib import Path

from ..control import Control
from ..export import Cancelled, export
from ..job import Done, Exporting, ExportSettings, sweep
from ..layouts.result_folder import check_apart, load_result
from .events import Emit, Pace
from .memory import LAYOUT, memory_errors_named


@memory_errors_named()
def run_export(
    folder: Path, path: Path, settings: ExportSettings, emit: Emit, control: Control, token: str = ""
) -> bool:
    """Exports a layout folder to `path`: see export.export. Returns False if it was cancelled.

    emit is called with Exporting and finally Done. After a cancel, that names no file, and all files are unchanged.
    Raises UserError as load_result and export do.
    """
    pace = Pace(emit)

    def tell(done: int, total: int) -> None:
        control.wait()
        if control.cancelled:
            raise Cancelled
        pace(Exporting(done, total))

    try:
        check_apart(folder, path)
        sweep(path.parent)
        with memory_errors_named(LAYOUT):
            layout, templates = load_result(folder)
        exported = export(layout, templates, path, settings, tell, token)
    except Cancelled:
        emit(Done("", cancelled=True))
        return False
    emit(Done(str(exported.files[0]), remarks=exported.remarks))
    return True
