"""CPU seconds by part of the work."""

from __future__ import annotations

import pytest

from backend import stopwatch


def test_each_part_counts_its_own_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 5.0
    monkeypatch.setattr("backend.stopwatch.time.process_time", lambda: now)
    stopwatch.restart()
    now += 1.0  # in no part
    with stopwatch.part("steps"):
        now += 2.0
        with stopwatch.part("save"):
            now += 0.25
        now += 4.0
        assert stopwatch.seconds() == {"steps": 6.0, "save": 0.25}
    with pytest.raises(ValueError, match="an error"), stopwatch.part("save"):
        now += 0.5
        raise ValueError("an error")
    now += 8.0
    assert stopwatch.seconds() == {"steps": 6.0, "save": 0.75}
    stopwatch.restart()
    assert stopwatch.seconds() == {}
