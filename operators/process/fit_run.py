"""One optimization from start to finish, as the worker's events tell it. It knows nothing of Blender."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Generator
from pathlib import Path
from time import monotonic

from ...backend.job import Action, Command, Done, Error, Event, Progress, UserError, cannot_write
from .worker import Worker, last_line

CANCEL_SECONDS = 0.9
"""How long a worker may take to write its best layout after a cancel; a killed one has left an earlier layout."""

COLLECT_SECONDS = 0.02
"""Longest time that the steps before the fit keep Blender waiting at once."""

START_SECONDS = 300.0
"""How long a worker may be silent at its start: a slow disk or a virus scanner may delay PyTorch."""


Steps = Generator[str, None, list[str]]
"""Steps that write a job: each yields what comes next; they return a sentence about each thing left out."""


class Run:
    """A job that is written, and that a worker then fits.

    state: "collecting", "running", "paused", "cancelling", then "done", "cancelled" or "failed". doing: the step
    before the fit. left_out: a sentence about each thing that could not be used. message: one sentence for the user,
    "" while all is well. action: see UserError.
    """

    def __init__(self, worker: Worker, job: Path, out: Path, steps: Steps | None = None) -> None:
        """Gives the worker the job folder once the steps have written it. out: folder of the layout."""
        self.worker, self.job, self.out = worker, job, out
        self.state, self.doing = "collecting", "Starting"
        self.message = self.action = ""
        self.left_out: list[str] = []
        self.progress: Progress | None = None
        self._steps = steps
        self._heard = False
        self._deadline = float("inf")  # of a cancel
        self._start_by = float("inf")
        if steps is None:
            self._begin()

    @property
    def active(self) -> bool:
        return self.state in ("collecting", "running", "paused", "cancelling")

    @property
    def has_layout(self) -> bool:
        """Whether there is a layout to build: the result, or the best so far of an unfinished run."""
        return (self.out / "layout.json").is_file() and (self.out / "layout.npz").is_file()

    def update(self) -> bool:
        """Does some of the steps, or handles the worker's events. Returns whether anything is new."""
        if self.state == "collecting":
            self._listen()
            return self._collect(COLLECT_SECONDS) if self.state == "collecting" else True
        return self._listen()

    def collect(self) -> None:
        """Does all steps now. Where they raise UserError, deletes the job and raises it, too."""
        self._collect(float("inf"))
        if self.state == "failed":
            raise UserError(self.message, self.action)

    def pause(self) -> None:
        if self.state == "running":
            self.state = "paused"
            self.worker.send(Command("pause"))

    def resume(self) -> None:
        if self.state == "paused":
            self.state = "running"
            self.worker.send(Command("continue"))

    def cancel(self) -> None:
        """Ends the run early, and keeps the best layout so far. The state becomes "cancelled" soon after."""
        if self.state == "collecting":
            self._drop()
            self._end_cancelled()
        if self.state not in ("running", "paused"):
            return
        self.state = "cancelling"
        self.worker.send(Command("cancel"))
        self._deadline = monotonic() + CANCEL_SECONDS

    def stop(self) -> None:
        """Ends the worker within a second."""
        if self.state == "collecting":
            self._drop()
        self.worker.stop()
        if self.active:
            self._end_cancelled()

    def _begin(self) -> None:
        self._steps = None
        self.state = "running"
        self._start_by = monotonic() + START_SECONDS
        self.worker.send(self._command())

    def _command(self) -> Command:
        return Command("fit", str(self.job), str(self.out), outside=True)

    def _collect(self, seconds: float) -> bool:
        assert self._steps is not None
        end = monotonic() + seconds
        try:
            while monotonic() < end:
                self.doing = next(self._steps)
        except StopIteration as finished:
            self.left_out = finished.value
            self._begin()
        except UserError as error:
            self._fail(error.message, error.action)
        except OSError as error:
            self._fail(cannot_write(self.job, error).message, "")
        except BaseException:  # half a job is useless, and may fill the disk
            self._drop()
            self.state = "failed"
            raise
        return True

    def _drop(self) -> None:
        """Ends the steps, and deletes the job."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None
        shutil.rmtree(self.job, ignore_errors=True)

    def _listen(self) -> bool:
        events = self.worker.poll()
        for event in events:
            if self.active:
                self._take(event)
        if self.active and self.worker.exit_code is not None:
            self._take_end(self.worker.exit_code)
            return True
        late = self.state == "cancelling" and monotonic() > self._deadline
        if self.active and (late or (not self._heard and monotonic() > self._start_by)):
            self.worker.kill()
        return bool(events)

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

    def _take_end(self, exit_code: int) -> None:
        if self.state == "cancelling":
            self._end_cancelled()
            return
        reason = _describe_exit(exit_code)
        detail = last_line(self.worker.log)
        said = f": {detail}" if detail else ""
        if self._heard:
            self._fail(f"The backend ended unexpectedly ({reason}){said}", Action.SHOW_LOG)
        else:
            self._fail(
                f"The backend did not start ({reason}){said} - press Install in the add-on's preferences, or choose "
                "another Python there",
                Action.INSTALL,
            )

    def _end_cancelled(self) -> None:
        self.state = "cancelled"
        kept = "the best layout so far is kept and can be built" if self.has_layout else "there is no layout yet"
        self.message = f"Cancelled: {kept}"

    def _fail(self, message: str, action: str) -> None:
        if self._steps is not None:
            self._drop()
        self.state = "failed"
        self.action = action
        self.message = message
        if self.has_layout:
            self.message += " - the best layout so far is kept and can be built"


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
