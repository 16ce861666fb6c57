"""CPU seconds by part of the work."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from backend import stopwatch


def test_each_part_counts_its_own_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("backend.stopwatch.time.process_time", lambda: now)
    monkeypatch.setattr(stopwatch, "_watch", stopwatch._Stopwatch())
    now = 5.0
    stopwatch.begin()
    now += 1.0
    with stopwatch.part("steps"):
        now += 2.0
        with stopwatch.part("save"):
            now += 0.25
        now += 4.0
        assert stopwatch.seconds() == {"start": 5.0, "other": 1.0, "steps": 6.0, "save": 0.25}
    now += 8.0
    assert stopwatch.seconds() == {"start": 5.0, "other": 9.0, "steps": 6.0, "save": 0.25}


def test_a_later_job_of_a_process_has_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 3.0
    monkeypatch.setattr("backend.stopwatch.time.process_time", lambda: now)
    monkeypatch.setattr(stopwatch, "_watch", stopwatch._Stopwatch())
    stopwatch.begin()
    now += 7.0
    stopwatch.begin()
    now += 2.0
    assert stopwatch.seconds() == {"other": 2.0}


def test_kernels_count_what_each_thread_spends_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("backend.stopwatch.time.process_time", lambda: 0.0)
    monkeypatch.setattr("backend.stopwatch.time.thread_time", lambda: now)
    monkeypatch.setattr(stopwatch, "_watch", stopwatch._Stopwatch())
    stopwatch.begin()

    @stopwatch.counted
    def kernel(seconds: float) -> float:
        nonlocal now
        now += seconds
        return seconds

    assert kernel(1.5) == 1.5
    with ThreadPoolExecutor(1) as pool:
        pool.submit(kernel, seconds=0.25).result()
    with pytest.raises(TypeError):
        kernel()  # type: ignore[call-arg]
    now += 8.0
    assert stopwatch.kernel_seconds() == 1.75
    stopwatch.begin()
    assert stopwatch.kernel_seconds() == 0.0
