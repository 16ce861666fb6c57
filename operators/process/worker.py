"""Starts the backend's process, sends commands, receives events, and ends it. It knows nothing of Blender."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from functools import partial
from pathlib import Path
from queue import Queue

from ...backend.job import (
    Action,
    Command,
    Error,
    Event,
    Log,
    UserError,
    bounded_lines,
    cannot_write,
    decode_event,
    plain,
)
from .child import NO_WINDOW, clean_environment

ADD_ON_FOLDER = Path(__file__).resolve().parents[2]

STOP_SECONDS = 1.0
"""How long a worker may take to end after its stdin was closed, before it is killed."""

LOG_BYTES = 1 << 16
"""Size of a log's end in which its last line is looked for, bytes."""

MOST_EVENTS = 10_000
"""How many events wait for `poll`; beyond that, the worker has to wait."""


def backend_command(python: str, cache: Path, *arguments: str) -> list[str]:
    """Returns the command line that runs the backend with arguments, without the user's Python settings.

    cache: folder for byte code, so that nothing is written beside the code.
    """
    return [python, "-E", "-s", "-X", f"pycache_prefix={cache}", "-m", "backend", *arguments]


def start_process(command: list[str], log: Path) -> subprocess.Popen[str]:
    """Starts a command in the add-on's folder, its stderr in the file `log`. Raises UserError where it cannot start."""
    try:
        with open(log, "wb") as errors:
            return subprocess.Popen(
                command,
                cwd=ADD_ON_FOLDER,
                env=clean_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
                creationflags=NO_WINDOW,
            )
    except OSError as error:
        if error.filename == str(log):
            raise cannot_write(log, error) from error
        raise UserError(
            f"The backend's Python {command[0]} cannot be started ({error.strerror}): "
            "choose another in the add-on's preferences",
            Action.INSTALL,
        ) from error


class Worker:
    """A running `python -m backend worker`. All methods except `stop` return at once."""

    def __init__(self, command: list[str], log: Path) -> None:
        """Starts the command. Raises UserError where it cannot start."""
        self.log = log
        self.is_leaving = False
        """Whether it takes no more jobs: it was asked to end, failed at its start, or has ended."""
        self._events: Queue[Event] = Queue(MOST_EVENTS)
        self._process = start_process(command, log)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs, or while `poll` still has events to return."""
        if self._listener.is_alive() or not self._events.empty():
            return None
        return self._process.poll()

    def poll(self) -> list[Event]:
        """Returns the events since the last call; those that come meanwhile wait for the next one."""
        return [self._events.get() for _ in range(self._events.qsize())]

    def send(self, command: Command) -> None:
        """Sends a command. A worker that has ended ignores it: see exit_code."""
        assert self._process.stdin
        try:
            self._process.stdin.write(command.encode() + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            self.is_leaving = True

    def close(self) -> None:
        """Asks it to end, and kills it if that takes too long."""
        self.send(Command("quit"))
        self._end_input()
        threading.Thread(target=self._reap, daemon=True).start()

    def stop(self) -> None:
        """Ends it now: closes its stdin, and kills it after STOP_SECONDS."""
        self._end_input()
        self._reap()

    def kill(self) -> None:
        self.is_leaving = True
        self._process.kill()

    def _end_input(self) -> None:
        self.is_leaving = True
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _reap(self) -> None:
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout
        try:
            # Not by Python's own reader, which keeps a line of any length.
            for number, line in enumerate(bounded_lines(partial(os.read, self._process.stdout.fileno()))):
                event = _event_of(line)
                # An error instead of "Ready": a package is missing.
                self.is_leaving |= number == 0 and isinstance(event, Error)
                self._events.put(event)
        finally:
            self.is_leaving = True
            self._process.wait()


def _event_of(line: bytes) -> Event:
    """Returns the event in a line, or the remark that there is none."""
    try:
        return decode_event(line)
    except UserError as error:
        return Log(error.message)


def last_line(log: Path) -> str:
    """Returns the last line of a log that is not empty, of its last LOG_BYTES; "" where there is none."""
    try:
        with open(log, "rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - LOG_BYTES, 0))
            lines = file.read(LOG_BYTES).decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return plain(next((line.strip() for line in reversed(lines) if line.strip()), ""))
