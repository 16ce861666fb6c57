"""Runs the commands of an installation one after another, logs them, and can end them from any thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...backend.job import Action, UserError
from ..process.child import LEASH, Child
from ..session.anonymous import without_secrets
from .env_folder import describe_size

TAIL = 6
"""Number of log lines that are shown."""

_REMEMBERED = 60

Take = Callable[[str], bool]
"""Takes a line of a command's output. Returns whether to keep it."""


@dataclass
class State:
    """Progress: the step, the fraction done, MB downloaded of about how many, the log's last lines.

    replaces: whether packages that were there before are being replaced.
    """

    step: str = "Starting"
    fraction: float = 0.0
    done: float = 0.0
    total: float = 0.0
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    replaces: bool = False

    @property
    def text(self) -> str:
        """The text of the progress bar."""
        if self.done and self.total and self.step.startswith(("Downloading", "Finding")):
            return f"{self.step}: {describe_size(self.done)} of about {describe_size(max(self.done, self.total))}"
        return self.step

    @property
    def tail(self) -> list[str]:
        """The last lines of the log, the latest last."""
        return [line for line in list(self.lines) if line.strip()][-TAIL:]


class Cancelled(Exception):
    """Ends the thread of a cancelled installation."""


class Calls:
    """Runs commands, and writes their output to a log file and the state. Raises Cancelled once it is cancelled."""

    def __init__(self, log: Path, state: State) -> None:
        self.state = state
        self._log = log
        self._child: Child | None = None
        self._cancelled = threading.Event()
        self._lock = threading.Lock()  # a child must not be started after the last one was killed

    def cancel(self) -> None:
        """Ends the running command at once; the thread follows soon."""
        self._cancelled.set()
        with self._lock:
            if self._child:
                self._child.kill()

    def check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def clear_log(self) -> None:
        """Empties the log file. Raises OSError where it cannot be written."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_text("", encoding="utf-8")

    def begin(self, step: str, fraction: float) -> None:
        self.check()
        self.state.step, self.state.fraction = step, fraction
        self.note(step)

    def note(self, sentence: str) -> None:
        """Writes a sentence to the log and its file."""
        self.state.lines.append(sentence)
        with open(self._log, "a", encoding="utf-8") as log:
            log.write(f"{sentence}\n")

    def run(
        self,
        command: Sequence[str | Path],
        folder: Path,
        settings: Mapping[str, str] | None = None,
        take: Take | None = None,
    ) -> tuple[int, list[str]]:
        """Runs a command until it ends. Returns its exit code and lines. Raises UserError where it cannot start."""
        with self._lock:
            self.check()
            try:
                self._child = child = Child(command, folder, settings)
            except OSError as error:
                raise UserError(f"{command[0]} cannot be started ({error.strerror})", Action.SHOW_LOG) from error
        lines = []
        with open(self._log, "a", encoding="utf-8") as log:
            told = " ".join(str(part) for part in command if part != LEASH)
            log.write(f"\n$ {without_secrets(told)}\n")
            for line in map(without_secrets, child.lines()):
                if take is None or take(line):
                    lines.append(line)
                    log.write(f"{line}\n")
                    log.flush()
                    if take:
                        self.state.lines.append(line)
        code = child.wait()
        self.check()
        return code, lines


def reason(code: int, lines: Sequence[str]) -> str:
    """Returns why a command has failed: its last line, or else its exit code."""
    return next((line for line in reversed(lines) if line), f"exit code {code}")
