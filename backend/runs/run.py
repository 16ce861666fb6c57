"""The common part of all runs."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import stopwatch
from ..control import Control
from ..engines import make_engine
from ..engines.choice import choose_engine
from ..job import Job, Log
from ..layouts.result_folder import ResultFolder
from ..templates import load_templates
from .events import Emit, Pace


class Run:
    """A job with its stamps, result folder, engine and events."""

    def __init__(self, job: Job, out: Path, emit: Emit, control: Control) -> None:
        """Loads the stamps. Raises UserError where one cannot be read, and as ResultFolder does."""
        self._begin = time.perf_counter()
        stopwatch.begin()
        self.job, self.control, self.emit, self.pace = job, control, emit, Pace(emit)
        with stopwatch.part("read"):
            self.templates = load_templates(job.templates, job.settings.size)
        self.folder = ResultFolder(out, self.templates, keeps_progress=job.clip is not None)
        self._engine: dict[str, str] = {}

    def choose_engine(self, height: int, width: int, canvas: str) -> None:
        """Sets the engine in the job's settings, and logs it after a description of the canvas."""
        settings, templates = self.job.settings, self.templates
        choice = choose_engine(settings.engine, templates, settings.count, height, width)
        self.job = replace(self.job, settings=replace(settings, engine=choice.engine))
        engine = make_engine(choice.engine, templates, 1, 1, threads=settings.threads)
        self._engine = {"engine": engine.name, "device": engine.device}
        why = f" (no CUDA: {choice.reason})" if choice.reason else ""
        self.emit(Log(f"{canvas}, stamps: {len(templates)}, engine {engine.name} on {engine.device}{why}"))

    def metrics(self, fit_seconds: float) -> dict[str, Any]:
        """Returns the times so far, with CPU seconds by part, and the engine, as metrics.json has them."""
        total = round(time.perf_counter() - self._begin, 3)
        cpu = {"cpu": {**stopwatch.seconds(), "kernels": stopwatch.kernel_seconds()}}
        return {"seconds": {"total": total, "fit": round(fit_seconds, 3)}, **cpu, **self._engine}
