"""One way from a job to its result folder, whatever the target is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.control import Control
from backend.job import Clip, Done, Event, Log, Progress, UserError
from backend.job.job import Job
from backend.layouts.result_folder import load_result
from backend.runs import run_job
from backend.runs.events import EVENT_SECONDS, Pace


@pytest.fixture(params=["picture", "clip"])
def either(request: pytest.FixtureRequest, job: Job) -> Job:
    """A job of each kind with the same target."""
    if request.param == "picture":
        return job
    return replace(job, clip=Clip(iterations=2, refinement=0))


def run(job: Job, out: Path, control: Control | None = None) -> list[Event]:
    events: list[Event] = []
    run_job(job, out, events.append, control or Control())
    return events


def test_each_kind_logs_its_engine_and_leaves_a_result(either: Job, tmp_path: Path) -> None:
    events = run(either, tmp_path / "out")
    assert events[-1] == Done(str(tmp_path / "out"), False)
    said = [event.text for event in events if isinstance(event, Log)]
    assert sum("64 x 48 px, stamps: 1, engine cpu on" in text for text in said) == 1
    assert any(isinstance(event, Progress) for event in events)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["engine"] == "cpu"
    assert 0.0 < metrics["seconds"]["fit"] <= metrics["seconds"]["total"]
    assert load_result(tmp_path / "out")[0].count == metrics["count"] == 40


def test_a_job_that_is_cancelled_before_it_begins_leaves_nothing(either: Job, tmp_path: Path) -> None:
    control = Control()
    control.cancel()
    assert run(either, tmp_path / "out", control) == [Done("", cancelled=True)]
    assert not (tmp_path / "out").exists()


def test_each_kind_names_a_lack_of_memory(either: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(f"backend.runs.{'clip' if either.clip else 'picture'}._fitted", full)
    with pytest.raises(UserError, match="too little memory") as error:
        run(either, tmp_path / "out")
    assert error.value.action == "halve_size"


def test_events_that_come_too_soon_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 7.0
    monkeypatch.setattr("backend.runs.events.time.monotonic", lambda: now)
    heard: list[Event] = []
    pace = Pace(heard.append)
    pace(Log("first"))
    pace(Log("too soon"))
    pace(Log("in any case"), due=True)
    now += EVENT_SECONDS * 0.9
    pace(Log("too soon after that one"))
    now += EVENT_SECONDS * 0.2
    pace(Log("later"))
    assert heard == [Log("first"), Log("in any case"), Log("later")]
