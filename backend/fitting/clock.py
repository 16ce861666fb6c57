"""The clock of a fit."""

from __future__ import annotations

import time

from ..job import Settings


class Clock:
    """The elapsed time of a fit, without pauses, and its progress."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._begin = settings, time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._begin

    def exclude(self, seconds: float) -> None:
        """Subtracts the seconds of a pause."""
        self._begin += seconds

    def progress(self, step: int) -> float:
        """Returns the share of the steps that is done, or of the time limit where that is more."""
        done, limit = step / self._settings.iterations, self._settings.time_limit
        return max(done, self.seconds / limit) if limit > 0 else done
