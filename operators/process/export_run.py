"""One export from start to finish. It knows nothing of Blender."""

from __future__ import annotations

import shutil
from pathlib import Path

from ...backend.job import STAGE, Command, Done, Event, Exporting
from .fit_run import Run, Steps
from .worker import Worker


class ExportRun(Run):
    """A layout's folder that is written, and that a worker then exports.

    exporting: its progress. written: the first file. remarks: sentences about the result for the user.
    """

    def __init__(self, worker: Worker, job: Path, out: Path, steps: Steps) -> None:
        """Starts the export. out: file or folder that is written once the steps have written the job folder."""
        self.exporting: Exporting | None = None
        self.remarks: list[str] = []
        self.written = out
        super().__init__(worker, job, out, steps)

    @property
    def has_layout(self) -> bool:
        return False

    def close(self) -> None:
        """Deletes the job folder, and what a killed worker has left."""
        shutil.rmtree(self.job, ignore_errors=True)
        shutil.rmtree(self.out.parent / (STAGE + self.job.name), ignore_errors=True)

    def _command(self) -> Command:
        return Command("export", str(self.job), str(self.out), outside=True)

    def _take(self, event: Event) -> None:
        super()._take(event)
        if isinstance(event, Exporting):
            self.exporting = event
        elif isinstance(event, Done) and not event.cancelled:  # a cancel came too late
            self.remarks, self.written = event.remarks, Path(event.out or self.out)
            self.state, self.message = "done", ""

    def _end_cancelled(self) -> None:
        self.state, self.message = "cancelled", "Cancelled: nothing was written"
