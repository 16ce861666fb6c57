"""CPU seconds of this process, with all its threads, by the part of the work in which they were spent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class _Stopwatch:
    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.seconds: dict[str, float] = {}
        self._part, self._since = "", time.process_time()

    def enter(self, part: str) -> str:
        """Counts for this part from now on. Returns the one before."""
        now, before = time.process_time(), self._part
        if before:
            self.seconds[before] = self.seconds.get(before, 0.0) + now - self._since
        self._part, self._since = part, now
        return before


# One for the process: its CPU time is all that can be read, whoever spends it.
_watch = _Stopwatch()


def restart() -> None:
    """Begins again, with no seconds in any part."""
    _watch.restart()


@contextmanager
def part(name: str) -> Iterator[None]:
    """Counts what is spent within the block for this part, and no longer for the part around it."""
    around = _watch.enter(name)
    try:
        yield
    finally:
        _watch.enter(around)


def seconds() -> dict[str, float]:
    """Returns the CPU seconds of each part since restart(), rounded to milliseconds."""
    _watch.enter(_watch.enter(""))
    return {name: round(value, 3) for name, value in _watch.seconds.items()}
