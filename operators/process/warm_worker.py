"""Keeps a worker of the backend between the runs of this session, so that a run need not wait for its start."""

from __future__ import annotations

from pathlib import Path

from .worker import Worker


class WarmWorker:
    """At most one worker that waits for a job. Without a job it ends by itself after a while."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._command: list[str] = []
        self._failed = False

    @property
    def is_cold(self) -> bool:
        """Whether no worker waits, though one could start: the last one has not failed at that."""
        if self._worker is None:
            return not self._failed
        self._worker.poll()
        return self._worker.exit_code == 0  # it has waited in vain

    def take(self, command: list[str], log: Path) -> Worker:
        """Returns the waiting worker of this command, else a new one. Raises UserError where that cannot start."""
        worker, self._worker = self._worker, None
        if worker is not None and command == self._command:
            worker.poll()
            if not worker.is_leaving:
                return worker
        if worker is not None:
            worker.close()
        self._command, self._failed = command, True
        worker = Worker(command, log)
        self._failed = False
        return worker

    def keep(self, worker: Worker) -> None:
        """Lets a worker that take() has returned wait for the next job, unless it is leaving."""
        if self._worker is not None and self._worker is not worker:
            self._worker.close()
        self._worker = None if worker.is_leaving else worker
        if worker.is_leaving:
            worker.close()

    def clear(self) -> None:
        """Ends the waiting worker within a second."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()


WARM = WarmWorker()
