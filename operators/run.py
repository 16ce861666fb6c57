"""One optimization from start to end: what the worker said, and what that means. It knows nothing of Blender."""

from __future__ import annotations

import signal
from pathlib import Path
from time import monotonic

from ..backend.job import Command, Done, Error, Event, Progress
from .worker import Worker, last_line

CANCEL_SECONDS = 10.0
"""How long a worker may take to hand over its best layout after a cancel, before it is killed."""


START_SECONDS = 300.0
"""How long a worker may be silent at its start: PyTorch comes from a slow disk, and past a virus scanner."""


class Run:
    """A job that a worker is on. state: "running", "cancelling", then "done", "cancelled" or "failed".

    message: one sentence for the user, "" while all is well. action: see UserError.
    """

    def __init__(self, worker: Worker, job: Path, out: Path) -> None:
        """Gives the worker the job folder; the layout comes into the folder `out`."""
        self.worker = worker
        self.out = out
        self.state = "running"
        self.message = ""
        self.action = ""
        self.progress: Progress | None = None
        self._heard = False
        self._give_up = float("inf")
        self._start_by = monotonic() + START_SECONDS
        worker.send(Command("fit", str(job), str(out)))

    @property
    def active(self) -> bool:
        return self.state in ("running", "cancelling")

    @property
    def has_layout(self) -> bool:
        """Whether there is a layout to build: the result, or the best so far of a run that did not get through."""
        return (self.out / "layout.json").is_file() and (self.out / "layout.npz").is_file()

    def update(self) -> bool:
        """Takes in what the worker has said. Returns whether anything is new. Never waits."""
        events = self.worker.poll()
        for event in events:
            if self.active:
                self._take(event)
        if self.active and self.worker.exit_code is not None:
            self._take_end(self.worker.exit_code)
            return True
        if self.active and (monotonic() > self._give_up or (not self._heard and monotonic() > self._start_by)):
            self.worker.kill()
        return bool(events)

    def cancel(self) -> None:
        """Asks for an early end, which keeps the best layout so far. The state becomes "cancelled" soon after."""
        if self.state != "running":
            return
        self.state = "cancelling"
        self.worker.send(Command("cancel"))
        if self.progress is None:
            # Nothing to keep yet, and a worker that is still starting would be slow to hear.
            self.worker.kill()
        self._give_up = monotonic() + CANCEL_SECONDS

    def stop(self) -> None:
        """Ends the worker within a second, whatever it is doing."""
        self.worker.stop()
        if self.active:
            self._end_cancelled()

    def _take(self, event: Event) -> None:
        self._heard = True
        if isinstance(event, Progress):
            self.progress = event
        elif isinstance(event, Error):
            self._fail(event.message, event.action)
        elif isinstance(event, Done):
            if event.cancelled or self.state == "cancelling":
                self._end_cancelled()
            else:
                self.state = "done"
            self.worker.close()

    def _take_end(self, exit_code: int) -> None:
        if self.state == "cancelling":
            self._end_cancelled()
            return
        reason = _describe_exit(exit_code)
        detail = last_line(self.worker.log)
        said = f": {detail}" if detail else ""
        if self._heard:
            self._fail(f"The backend ended unexpectedly ({reason}){said}", "show_log")
        else:
            self._fail(
                f"The backend did not start ({reason}){said} - choose a Python from 3.11 to 3.13 with torch, numpy and "
                "pillow in the add-on's preferences",
                "install",
            )

    def _end_cancelled(self) -> None:
        self.state = "cancelled"
        kept = "the best layout so far is kept and can be built" if self.has_layout else "there is no layout yet"
        self.message = f"Cancelled: {kept}"

    def _fail(self, message: str, action: str) -> None:
        self.state = "failed"
        self.action = action
        self.message = message
        if self.has_layout:
            self.message += " - the best layout so far is kept and can be built"
        self.worker.close()


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
