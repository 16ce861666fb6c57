"""The threads of native work: a pool that the whole process shares, which waits without spinning."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


def core_count() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def on_threads(count: int, work: Callable[[int], object]) -> None:
    """Calls work(0) to work(count - 1), the first on this thread and the others on threads of the process's pool.

    A call that no thread has begun when the first one returns is dropped: `work` takes its parts from a counter that
    all calls share, so that then nothing is left to do. `work` must keep alive what it needs: threads outlive an
    interrupted call.
    """
    # Threads do not survive a fork of the process.
    others = [_pool(count - 1, os.getpid()).submit(work, number) for number in range(1, count)]
    work(0)
    for other in others:
        if not other.cancel():
            other.result()


@functools.cache
def _pool(workers: int, process: int) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor  # one thread needs no pool

    return ThreadPoolExecutor(workers, "diffbmp")
