"""Output of commands: results, and progress as a bar on a terminal or as lines in a log."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, TextIO

from ..job import Event, Exporting, Log, Progress

_BAR, _NUMBERS = 20, 56  # characters
_LOG_SECONDS = 5.0


class Console:
    """Writes events to a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._next_line = 0.0
        self._open_line = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, Log):
            self.line(event.text)
        elif isinstance(event, Progress):
            self._bar(event.step, event.total, _numbers(event))
        elif isinstance(event, Exporting):
            self._bar(event.done, event.total, f"{100 * event.done // event.total} %")

    def line(self, text: str) -> None:
        """Writes a line, below the bar if one is open."""
        self._stream.write(("\n" if self._open_line else "") + text + "\n")
        self._stream.flush()
        self._open_line = False

    def _bar(self, step: int, total: int, text: str) -> None:
        if self._terminal:
            bar = "#" * (_BAR * step // total)
            self._stream.write(f"\r[{bar:<{_BAR}}] {text:<{_NUMBERS}}")
            self._stream.flush()
            self._open_line = True
        elif step == total or time.monotonic() >= self._next_line:
            self.line(text)
            self._next_line = time.monotonic() + _LOG_SECONDS


def write(result: dict[str, Any] | str) -> None:
    """Writes a result to stdout: text as it is, a dictionary as JSON."""
    text = result if isinstance(result, str) else json.dumps(result, indent=1)
    # A path may hold what the stream has no letter for.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


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
