"""The run of the command `fit`, with its progress, until it is done or stopped by Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from ..control import Control, termination_calls
from ..job import Done, Event
from . import fit


def add_options(parser: argparse.ArgumentParser) -> None:
    fit.add_options(parser)
    parser.set_defaults(run=fit_job)


def fit_job(args: argparse.Namespace) -> int:
    """Fits a target. The first Ctrl-C stops the fit with its best layout, a second one ends the process."""
    job = fit.job_of(args)
    from ..runs import run_job
    from .console import Console

    console = Console(sys.stderr)
    control = Control()
    done: list[Done] = []

    def emit(event: Event) -> None:
        if isinstance(event, Done):
            done.append(event)
        console(event)

    def stop() -> None:
        if control.cancelled:  # the second time
            os._exit(130)
        control.cancel()

    with termination_calls(stop):
        run_job(job, args.out, emit, control)
    if not done[0].out:
        console.line("Cancelled before there was a layout")
        return 1
    console.line(_summary(done[0]))
    return 0


def _summary(done: Done) -> str:
    metrics = json.loads((Path(done.out) / "metrics.json").read_text(encoding="utf-8"))
    about = "about " if metrics.get("estimated") else ""
    smooth = "" if metrics.get("psnr_aa") is None else f" ({about}{metrics['psnr_aa']:.2f} dB with smooth edges)"
    cancelled = "cancelled: the best so far, " if done.cancelled else ""
    return f"{done.out}: {cancelled}{metrics['psnr']:.2f} dB{smooth}, {metrics['seconds']['total']:.1f} s"
