"""Events of a job on their way to whoever follows it."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..job import Event

EVENT_SECONDS = 0.1
"""Time from one event of a job's progress to the next, at least."""

Emit = Callable[[Event], None]


class Pace:
    """Emits events of a job's progress, and drops those that come too soon after one."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._next = 0.0

    def __call__(self, event: Event, *, due: bool = False) -> None:
        """Emits an event if it is time for one. due: emit it in any case."""
        now = time.monotonic()
        if due or now >= self._next:
            self._next = now + EVENT_SECONDS
            self._emit(event)
