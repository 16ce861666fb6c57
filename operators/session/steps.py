"""Work in steps, between which Blender may be used. Each step says what comes next."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future, wait
from typing import Any

WAIT_SECONDS = 0.01
"""For what another thread does, at a time."""


def waited(future: Future[Any], doing: str) -> Generator[str, None, Any]:
    """Until another thread has done something: returns what that returns, raises what it raises."""
    while not future.done():
        yield doing
        wait([future], WAIT_SECONDS)
    return future.result()


def all_at_once(steps: Generator[str, None, Any]) -> Any:
    """All steps without a pause. Returns what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
