"""Stopping and pausing a fit from outside. Standard library only: a worker takes commands before torch is loaded."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIGINT, SIGTERM, set_wakeup_fd, signal


class Control:
    """Stops, pauses and resumes a fit from another thread."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._running = threading.Event()
        self._running.set()

    def cancel(self) -> None:
        """Ends the fit after the step in hand, with the best layout so far."""
        self._cancelled.set()
        self._running.set()

    def pause(self) -> None:
        if not self.cancelled:
            self._running.clear()

    def resume(self) -> None:
        self._running.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def wait(self) -> float:
        """Returns when the fit may go on or is cancelled: the seconds that it was paused."""
        if self._running.is_set():
            return 0.0
        begin = time.perf_counter()
        self._running.wait()
        return time.perf_counter() - begin


@contextmanager
def termination_calls(stop: Callable[[], None]) -> Iterator[None]:
    """Within it, SIGINT and SIGTERM call `stop`: at once, in a thread of its own, whatever the main thread computes.

    Only the main thread may enter it.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def listen() -> None:
        while reader.recv(1):
            stop()

    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    handlers = {number: signal(number, _ignore) for number in (SIGINT, SIGTERM)}
    descriptor = set_wakeup_fd(writer.fileno())
    try:
        yield
    finally:
        set_wakeup_fd(descriptor)
        for number, handler in handlers.items():
            signal(number, handler)
        writer.close()
        thread.join()
        reader.close()


def _ignore(number: int, frame: object) -> None:
    """Python reports to the wake-up socket only the signals that have a handler."""
