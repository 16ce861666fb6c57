"""The clock of a fit."""

from __future__ import annotations

import time

from ..job import Settings


class Clock:
    """The time of a fit, without pauses, and how far it has come."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._begin = settings, time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._begin

    def exclude(self, seconds: float) -> None:
        """Does not count the seconds of a pause."""
        self._begin += seconds

    def progress(self, step: int) -> float:
        """The share of the steps that is done, or of the time where less of that is left."""
        done, limit = step / self._settings.iterations, self._settings.time_limit
        return max(done, self.seconds / limit) if limit > 0 else done
