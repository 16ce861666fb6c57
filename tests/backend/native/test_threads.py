"""The threads of native work."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.native.threads import core_count, on_threads


def test_core_count_is_positive() -> None:
    assert core_count() >= 1


def test_all_numbers_are_called_where_threads_are_free() -> None:
    together = threading.Barrier(3)
    seen: list[tuple[int, str]] = []

    def work(number: int) -> None:
        together.wait(timeout=60)
        seen.append((number, threading.current_thread().name))

    on_threads(3, work)
    assert sorted(number for number, _ in seen) == [0, 1, 2]
    assert dict(seen)[0] == threading.current_thread().name


def test_a_busy_pool_makes_nobody_wait() -> None:
    """What no thread has begun is dropped: more callers than threads, and a call within a call, come to an end."""
    done: list[int] = []

    def inner(number: int) -> None:
        done.append(number)

    def outer(number: int) -> None:
        on_threads(2, inner)

    with ThreadPoolExecutor(8) as callers:
        for call in [callers.submit(on_threads, 2, outer) for _ in range(40)]:
            call.result(timeout=60)
    assert done.count(0) >= 40


def test_many_calls_take_few_threads() -> None:
    on_threads(4, lambda number: time.sleep(0.001))
    before = threading.active_count()
    for _ in range(200):
        on_threads(4, lambda number: None)
    assert threading.active_count() <= before + 2


@pytest.mark.parametrize("failing", [0, 1])
def test_errors_reach_the_caller(failing: int) -> None:
    together = threading.Barrier(2)

    def work(number: int) -> None:
        together.wait(timeout=60)
        if number == failing:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        on_threads(2, work)
