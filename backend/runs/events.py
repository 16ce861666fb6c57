"""The pace of a job's events."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..job import Event

EVENT_SECONDS = 0.1
"""Least time between two events of a job's progress."""

Emit = Callable[[Event], None]


class Pace:
    """Emits events of a job's progress, and drops those that follow too soon."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._next = 0.0

    def __call__(self, event: Event, *, due: bool = False) -> None:
        """Emits an event if it is time for one, or if it is due."""
        now = time.monotonic()
        if due or now >= self._next:
            self._next = now + EVENT_SECONDS
            self._emit(event)
