"""The loop of a fit: a descent steps, a record keeps the best state, a reporter shows the progress."""

from __future__ import annotations

from dataclasses import dataclass

from ..control import Control
from ..job import Layout, Settings
from ..stopwatch import part
from .clock import Clock
from .descent import Descent
from .record import Record
from .reporter import Observer, Reporter


@dataclass(eq=False)
class FitResult:
    """The result of a fit."""

    layout: Layout  # the files of its templates are empty, for the caller to fill in
    loss: float  # over the noise canvas
    psnr: float  # dB on the settings' background
    steps: int  # done
    cancelled: bool
    seconds: float  # of the steps, without pauses


def descend(
    descent: Descent, clock: Clock, settings: Settings, observer: Observer | None, control: Control
) -> FitResult:
    """Steps until the iterations or the time are used up, or the control cancels. Returns the best state."""
    record = Record(descent)
    with part("steps"):
        step = _steps(descent, clock, settings, Reporter(descent, clock, settings, observer), record, control)
    primitives, loss = record.best
    finished = descent.finished(primitives)
    psnr = descent.psnr(finished)
    return FitResult(descent.layout(finished), loss, psnr, step, control.cancelled, clock.seconds)


def _steps(
    descent: Descent, clock: Clock, settings: Settings, reporter: Reporter, record: Record, control: Control
) -> int:
    """Makes the steps, and returns how many."""
    step = 0
    while True:
        progress = clock.progress(step)
        record.add(descent.evaluate(step, progress))
        with part("previews"):
            reporter.report(step, progress, record)
        clock.exclude(control.wait())
        if step == settings.iterations or progress >= 1.0 or control.cancelled:
            return step
        descent.advance(progress)
        # After the step, because a relocation has just waited for the engine.
        record.advance(step)
        step += 1
