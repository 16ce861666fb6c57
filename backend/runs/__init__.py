"""A job folder becomes a result folder: one module for each kind of job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..control import Control
from ..fitting.loop import FitResult
from ..job import Done, Job
from .events import Emit
from .memory import memory_errors_named
from .picture import run_picture
from .run import Run

if TYPE_CHECKING:
    from ..fitting.clip import ClipResult


@memory_errors_named()
def run_job(job: Job, out: Path, emit: Emit, control: Control) -> None:
    """Fits a picture or a clip, and leaves a result folder (layouts.result_folder) in `out`.

    emit is called with Log, Progress and at last Done. A control that is cancelled ends the fit with what there is;
    before there is a layout, Done names no folder. Soon after the start of a picture the folder holds the best so far;
    a clip that was interrupted continues after its last frame where the same job is run again. Raises UserError for
    whatever the user can mend.
    """
    if control.cancelled:
        emit(Done("", cancelled=True))
        return
    run = Run(job, out, emit, control)
    result = _result(run)
    emit(Done(str(run.folder.path) if result.layout.frames else "", result.cancelled))


def _result(run: Run) -> FitResult | ClipResult:
    if run.job.clip is None:
        return run_picture(run)
    # What reads movies and measures clips takes a while to load.
    from .clip import run_clip

    return run_clip(run, run.job.clip)
