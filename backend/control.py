"""Control of a fit from outside. Only the standard library: a worker takes commands before it loads NumPy."""

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
        """Ends the fit after the current step, with the best layout so far."""
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
        """Waits until the fit may continue or is cancelled. Returns the seconds of the pause."""
        if self._running.is_set():
            return 0.0
        begin = time.perf_counter()
        self._running.wait()
        return time.perf_counter() - begin


@contextmanager
def termination_calls(stop: Callable[[], None]) -> Iterator[None]:
    """Calls `stop` on SIGINT and SIGTERM within the block, at once and in another thread.

    Only the main thread may enter the block.
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
    """Does nothing: Python reports only signals with a handler to the wake-up socket."""
