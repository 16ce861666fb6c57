"""The process that Blender starts: it reads commands from stdin and writes events to stdout, one JSON object a line.

It serves one job after another, so that imports and engines stay warm. The end of stdin means that Blender is gone.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import os
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NoReturn

from ..control import Control, termination_calls
from ..job import (
    Action,
    Command,
    Error,
    Event,
    ExportJob,
    Job,
    Log,
    UserError,
    bounded_lines,
    drop_temporary,
    encode_event,
    given_path,
    unexpected,
)

IDLE_SECONDS = 600.0
"""Time without a job after which the process ends and frees its memory."""

GRACE_SECONDS = 0.8
"""Time from the end of stdin to the forced end of the process. The folder always holds a checkpoint."""

LAST_SECONDS = 1.0
"""The same for a job that lets no other Python code run, not even what ends the process after GRACE_SECONDS."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=lambda _: main())


def main() -> NoReturn:
    """Serves stdin until its end, the command `quit` or a signal, and ends the process."""
    # Stray prints of Python or native libraries go to the log, not among the events.
    events = FileIO(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(events)
    # Unbuffered: the lock of a buffer, held by a thread that waits for input, breaks the interpreter's exit.
    commands = FileIO(0, closefd=False)
    threading.Thread(target=worker.listen, args=(commands,), name="commands", daemon=True).start()
    with termination_calls(worker.stop):
        status = worker.serve()
    sys.stderr.flush()
    # Unloading torch takes another second.
    os._exit(status)


@dataclass
class _Request:
    command: str
    job: Path
    out: Path
    outside: bool
    control: Control = field(default_factory=Control)


class Worker:
    """Runs the jobs in the thread that calls serve(), takes commands in the one that calls listen()."""

    def __init__(self, events: FileIO) -> None:
        self._events = events
        self._events_lock = threading.Lock()
        self._queue: SimpleQueue[_Request | None] = SimpleQueue()
        self._requests: list[_Request] = []  # not yet done; the first one is running
        self._nowhere = FileIO(os.devnull, "w")
        self._stopping = False

    def serve(self) -> int:
        """Runs jobs until stop() is called. Returns the exit status."""
        try:
            from ..runs import export, run_job  # noqa: F401  slow: the first job finds them loaded
        except ModuleNotFoundError as error:
            self._send(Error(f"{sys.executable} has no {error.name}: install the backend's packages", Action.INSTALL))
            return 2
        gc.freeze()  # what was imported is no garbage: to look through it takes a part of a second each time
        self._send(Log("Ready"))
        while (request := self._next()) is not None:
            failure = self._failure(request)
            self._requests.remove(request)
            if failure is not None:
                self._send(failure)
                # Memory of the failed job may wait in cycles.
                gc.collect()
        return 0

    def _failure(self, request: _Request) -> Error | None:
        """Runs a job. Returns what the user is told where it fails, for whatever reason; the traceback is logged."""
        try:
            self._run(request)
        except Exception as error:  # noqa: BLE001  the last resort, so that the next job is served
            if not isinstance(error, UserError):
                traceback.print_exc()
            told = unexpected(error)
            return Error(told.message, told.action)
        return None

    def _run(self, request: _Request) -> None:
        from ..runs import run_job
        from ..runs.export import run_export

        if request.command == "fit":
            run_job(Job.load(request.job, request.outside), request.out, self._send, request.control)
        else:
            job = ExportJob.load(request.job, request.outside)
            run_export(Path(job.layout), request.out, job.settings, self._send, request.control, job.token)

    def _next(self) -> _Request | None:
        with suppress(Empty):
            return self._queue.get(timeout=IDLE_SECONDS)
        return None

    def listen(self, stream: FileIO) -> None:
        """Obeys commands until the end of the stream or `quit`. Whatever ends it also ends serve()."""
        try:
            for line in bounded_lines(stream.read):
                try:
                    command = Command.decode(line)
                    if command.command == "quit":
                        break
                    self._obey(command)
                except UserError as error:
                    self._send(Error(error.message))
        finally:
            self.stop()

    def stop(self) -> None:
        """Stops the running job with its best layout, drops the others and ends serve(), by force after a while."""
        if not self._stopping:
            self._stopping = True
            if self._requests:
                # Its thread needs no lock of Python's. What it writes helps nobody.
                faulthandler.dump_traceback_later(LAST_SECONDS, exit=True, file=self._nowhere)
            deadline = threading.Timer(GRACE_SECONDS, _end_now)
            deadline.daemon = True
            deadline.start()
        for request in list(self._requests):
            request.control.cancel()
        self._queue.put(None)

    def _obey(self, command: Command) -> None:
        requests = list(self._requests)
        if command.command in ("fit", "export"):
            self._accept(command)
        elif command.command == "cancel":
            for request in requests:
                request.control.cancel()
        elif requests:
            control = requests[0].control
            control.pause() if command.command == "pause" else control.resume()

    def _accept(self, command: Command) -> None:
        if not command.job or not command.out:
            raise UserError(f"The command {command.command} needs a job and an out")
        job, out = given_path(command.job), given_path(command.out)
        request = _Request(command.command, job, out, command.outside)
        self._requests.append(request)
        self._queue.put(request)

    def _send(self, event: Event) -> None:
        line = encode_event(event).encode() + b"\n"
        try:
            with self._events_lock:
                self._events.write(line)
        except OSError:
            # Blender no longer reads.
            self.stop()


def _end_now() -> None:
    """Ends the process at once, without leaving temporary files."""
    drop_temporary()
    os._exit(0)
