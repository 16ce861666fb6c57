"""Progress for people: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from typing import TextIO

from .job import Event, Log, Progress

_BAR, _NUMBERS = 20, 56  # characters
_LOG_SECONDS = 5.0


class Console:
    """Writes a fit's events to a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._next_line = 0.0
        self._open_line = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, Log):
            self.line(event.text)
        elif isinstance(event, Progress):
            self._progress(event)

    def line(self, text: str) -> None:
        """A line of its own, below a bar that may stand there."""
        self._stream.write(("\n" if self._open_line else "") + text + "\n")
        self._stream.flush()
        self._open_line = False

    def _progress(self, event: Progress) -> None:
        last = event.step == event.total
        if self._terminal:
            bar = "#" * (_BAR * event.step // event.total)
            self._stream.write(f"\r[{bar:<{_BAR}}] {_numbers(event):<{_NUMBERS}}")
            self._stream.flush()
            self._open_line = True
        elif last or time.monotonic() >= self._next_line:
            self.line(_numbers(event))
            self._next_line = time.monotonic() + _LOG_SECONDS


def _numbers(event: Progress) -> str:
    digits = len(str(event.total))
    step = f"{event.step:{digits}}/{event.total}"
    what = f"loss {event.loss:.5g}" if event.frame is None else f"frame {event.frame}"
    return f"{step}  {what}  {event.psnr:.2f} dB  {_duration(event.seconds_left)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
