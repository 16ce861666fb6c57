"""CPU seconds of this process, with all its threads, by the part of the work in which they were spent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

OTHER = "other"
"""The part of what is in no other."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class _Stopwatch:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.part, self._since = "start", 0.0  # the process began at 0
        self.kernels = 0.0
        self._lock = threading.Lock()

    def enter(self, part: str) -> str:
        """Counts for this part from now on. Returns the one before."""
        now, before = time.process_time(), self.part
        self.seconds[before] = self.seconds.get(before, 0.0) + now - self._since
        self.part, self._since = part, now
        return before

    def count_kernel(self, seconds: float) -> None:
        with self._lock:
            self.kernels += seconds


# One for the process: its CPU time is all that can be read, whoever spends it.
_watch = _Stopwatch()


def begin() -> None:
    """Begins a job. What a new process has spent before its first one is the job's part `start`."""
    first = _watch.part == "start"
    _watch.enter(OTHER)
    if not first:
        _watch.seconds.clear()
        _watch.kernels = 0.0


@contextmanager
def part(name: str) -> Iterator[None]:
    """Counts what is spent within the block for this part, and no longer for the part around it."""
    around = _watch.enter(name)
    try:
        yield
    finally:
        _watch.enter(around)


def seconds() -> dict[str, float]:
    """Returns the CPU seconds of each part of the latest job so far, rounded to milliseconds."""
    _watch.enter(_watch.part)
    return {name: round(value, 3) for name, value in _watch.seconds.items()}


def counted(kernel: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Returns a function of the compiled library that counts what its calls spend, in whatever thread."""

    def timed(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
        begin = time.thread_time()
        try:
            return kernel(*arguments, **options)
        finally:
            _watch.count_kernel(time.thread_time() - begin)

    return timed


def kernel_seconds() -> float:
    """Returns the CPU seconds that the compiled library has spent in the latest job, whatever the part."""
    return round(_watch.kernels, 3)
