"""One export from start to end. It knows nothing of Blender."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from ..backend.job import Command, Done, Error, Event, Exporting
from .run import Run, Steps
from .worker import Worker


class ExportRun(Run):
    """A layout's folder that is written, and that a worker then exports.

    exporting: how far it is. remarks: what the user should know of the result.
    """

    def __init__(self, worker: Worker, job: Path, out: Path, steps: Steps) -> None:
        """out: the file, or the folder, that is written once the steps have written the job folder."""
        self.exporting: Exporting | None = None
        self.remarks: list[str] = []
        self._since = time.time()
        super().__init__(worker, job, out, steps)

    @property
    def has_layout(self) -> bool:
        return False

    def close(self) -> None:
        """Deletes what the export needed. Nothing half-written stays, even where the worker was killed."""
        shutil.rmtree(self.job, ignore_errors=True)
        if self.state != "done":
            for path in self.out.parent.glob(f".{self.out.stem}-*"):
                if path.stat().st_mtime >= self._since - 1.0:
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def _command(self) -> Command:
        return Command("export", str(self.job), str(self.out))

    def _take(self, event: Event) -> None:
        self._heard = True
        if isinstance(event, Exporting):
            self.exporting = event
        elif isinstance(event, Error):
            self._fail(event.message, event.action)
        elif isinstance(event, Done):
            self.remarks = event.remarks
            if event.cancelled:
                self._end_cancelled()
            else:
                self.state = "done"

    def _end_cancelled(self) -> None:
        self.state, self.message = "cancelled", "Cancelled: nothing was written"
