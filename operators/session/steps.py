"""Work in steps, between which Blender may be used. Each step yields what comes next."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, wait
from typing import Any

WAIT_SECONDS = 0.01
"""How long one step waits for another thread."""


def waited(future: Future[Any], doing: str) -> Generator[str, None, Any]:
    """Waits for another thread. Returns the future's result, or raises its exception."""
    while not future.done():
        yield doing
        wait([future], WAIT_SECONDS)
    return future.result()


def all_at_once(steps: Generator[str, None, Any]) -> Any:
    """Does all steps without a pause. Returns what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
