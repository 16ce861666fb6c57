"""One command of the backend that runs and ends by itself. It knows nothing of Blender."""

from __future__ import annotations

import threading
from math import inf
from pathlib import Path
from time import monotonic

from ...backend.job import cannot_write
from .worker import last_line, start_process

UNSAID = 120
"""The exit code of a Python that could not write its last words: its log's disk is full."""


class SingleRun:
    """A running command: a session.Task. log: file of its stderr. seconds: time after which it is killed.

    late: whether it was killed then. output: what it wrote. Raises UserError where it cannot start.
    """

    def __init__(self, command: list[str], log: Path, seconds: float = inf) -> None:
        self.late = False
        self.output = ""
        self._log = log
        self._process = start_process(command, log)
        self._give_up = monotonic() + seconds
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def active(self) -> bool:
        return self._reader.is_alive()

    @property
    def failed(self) -> bool:
        return bool(self._process.returncode)

    @property
    def reason(self) -> str:
        """Why it has failed: its last line, or its exit code."""
        if self._process.returncode == UNSAID and not last_line(self._log):
            return cannot_write(self._log).message
        return last_line(self._log) or f"exit code {self._process.returncode}"

    def update(self) -> bool:
        if self.active and monotonic() > self._give_up:
            self.late = True
            self._process.kill()
        return False

    def stop(self) -> None:
        self._process.kill()
        self._reader.join()

    def _read(self) -> None:
        self.output, _ = self._process.communicate()
