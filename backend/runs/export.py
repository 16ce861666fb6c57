"""A layout's folder to the files of an export. The command line and the worker both call this."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ..control import Control
from ..export import Cancelled, export
from ..job import Done, Event, Exporting, ExportSettings
from ..layouts.result_folder import check_apart, load_result
from .memory import memory_errors_named

_EVENT_SECONDS = 0.1


@memory_errors_named()
def run_export(
    folder: Path, path: Path, settings: ExportSettings, emit: Callable[[Event], None], control: Control, token: str = ""
) -> bool:
    """Writes a layout's folder to `path`: see export.export. Returns whether it was not cancelled.

    emit is called with Exporting, and at last with Done; after a cancel that
    names no file, and all files are as they were. Raises UserError as load_result and export do.
    """
    next_event = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal next_event
        control.wait()
        if control.cancelled:
            raise Cancelled
        if time.monotonic() >= next_event:
            next_event = time.monotonic() + _EVENT_SECONDS
            emit(Exporting(done, total))

    try:
        check_apart(folder, path)
        exported = export(*load_result(folder), path, settings, tell, token)
    except Cancelled:
        emit(Done("", cancelled=True))
        return False
    emit(Done(str(exported.files[0]), remarks=exported.remarks))
    return True
