"""Runs of jobs, which write result folders: one module for each kind of job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..control import Control
from ..fitting.loop import FitResult
from ..job import Done, Job, resolved, sole_writer
from ..job.errors import packages_named
from .events import Emit
from .memory import memory_errors_named
from .picture import run_picture
from .run import Run

if TYPE_CHECKING:
    from ..fitting.clip import ClipResult


@memory_errors_named()
def run_job(job: Job, out: Path, emit: Emit, control: Control) -> None:
    """Fits a picture or a clip, and leaves a result folder (layouts.result_folder) in `out`.

    emit is called with Log, Progress and finally Done. Cancelling the control ends the fit with the best layout so far;
    before there is one, Done names no folder. Soon after the start of a picture, the folder holds the best layout so
    far. An interrupted clip continues after its last frame if the same job is run again. Raises UserError for
    everything that the user can fix.
    """
    if control.cancelled:
        emit(Done("", cancelled=True))
        return
    with sole_writer(resolved(out), "fit"):
        run = Run(job, out, emit, control)
        result = _result(run)
    emit(Done(str(run.folder.path) if result.layout.frames else "", result.cancelled))


def _result(run: Run) -> FitResult | ClipResult:
    if run.job.clip is None:
        return run_picture(run)
    with packages_named("Moving targets"):
        from .clip import run_clip  # slow to import

    return run_clip(run, run.job.clip)
