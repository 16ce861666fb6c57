"""The backend's process, from outside, with a stand-in that speaks its protocol."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from diffbmp.backend.job import Log, UserError
from diffbmp.operators import run as run_module
from diffbmp.operators.run import Run
from diffbmp.operators.worker import ADD_ON_FOLDER, Worker, backend_command, last_line

FAKE = Path(__file__).with_name("fake_worker.py")

Start = Callable[[str], Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a run whose worker behaves as it is told; none outlives the test."""
    workers: list[Worker] = []

    def start(behaviour: str) -> Run:
        workers.append(Worker([sys.executable, str(FAKE), behaviour], tmp_path / "worker.log"))
        return Run(workers[0], tmp_path, tmp_path / "result")

    yield start
    for worker in workers:
        worker.stop()
        assert not is_alive(worker.process_id)


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def follow(run: Run, until: Callable[[], bool], seconds: float = 20.0) -> None:
    """Updates the run until something holds."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"still {run.state}, {run.progress}"
        run.update()
        time.sleep(0.01)


def test_a_run_reports_progress_and_its_layout(start: Start) -> None:
    run = start("finish")
    assert run.active
    follow(run, lambda: not run.active)
    assert run.state == "done"
    assert run.progress
    assert (run.progress.step, run.progress.total) == (100, 100)
    assert run.has_layout
    assert run.message == ""
    follow(run, lambda: not is_alive(run.worker.process_id), 5.0)  # it is let go by itself


def test_update_never_waits(start: Start) -> None:
    run = start("slow")
    begin = time.monotonic()
    for _ in range(100):
        run.update()
    assert time.monotonic() - begin < 0.5


def test_cancel_keeps_the_best_layout(start: Start) -> None:
    run = start("slow")
    follow(run, lambda: run.progress is not None)
    begin = time.monotonic()
    run.cancel()
    assert run.state == "cancelling"
    follow(run, lambda: not run.active)
    assert time.monotonic() - begin < 1.0
    assert run.state == "cancelled"
    assert run.has_layout
    assert run.message == "Cancelled: the best layout so far is kept and can be built"


def test_cancel_before_anything_is_done(start: Start) -> None:
    run = start("slow")
    begin = time.monotonic()
    run.cancel()
    follow(run, lambda: not run.active)
    assert time.monotonic() - begin < 1.0
    assert run.message == "Cancelled: there is no layout yet"


def test_a_worker_that_does_not_hear_cancel_is_killed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "CANCEL_SECONDS", 0.3)
    run = start("deaf")
    follow(run, lambda: run.progress is not None)
    run.cancel()
    follow(run, lambda: not run.active, 2.0)
    assert run.state == "cancelled"
    assert run.has_layout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_a_killed_worker_ends_in_one_sentence(start: Start) -> None:
    run = start("slow")
    follow(run, lambda: run.has_layout)
    os.kill(run.worker.process_id, signal.SIGKILL)
    follow(run, lambda: not run.active, 5.0)
    assert run.state == "failed"
    assert run.message == (
        "The backend ended unexpectedly (killed by SIGKILL) - the best layout so far is kept and can be built"
    )


def test_a_crash_names_the_last_line_of_the_log(start: Start) -> None:
    run = start("crash")
    follow(run, lambda: not run.active)
    assert run.state == "failed"
    assert run.message.startswith("The backend ended unexpectedly (exit code 3): Segmentation fault in the engine")


def test_a_python_that_does_not_run_the_backend_is_told_as_such(start: Start) -> None:
    run = start("stranger")
    follow(run, lambda: not run.active)
    assert (run.state, run.action) == ("failed", "install")
    assert run.message.startswith(
        "The backend did not start (exit code 0) - choose a Python from 3.11 to 3.13 with torch"
    )


def test_a_program_that_never_speaks_is_ended(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "START_SECONDS", 0.5)
    run = start("silent")
    follow(run, lambda: not run.active, 5.0)
    assert (run.state, run.action) == ("failed", "install")
    assert "did not start" in run.message


@pytest.mark.parametrize(
    ("behaviour", "message", "action"),
    [
        ("error", "The target has no pixels: choose another", ""),
        ("no-torch", f"{sys.executable} has no torch: install the backend's packages", "install"),
    ],
)
def test_the_backends_own_errors_are_passed_on(start: Start, behaviour: str, message: str, action: str) -> None:
    run = start(behaviour)
    follow(run, lambda: not run.active)
    assert (run.state, run.message, run.action) == ("failed", message, action)
    assert not run.has_layout


def test_garbage_among_the_events_does_no_harm(start: Start) -> None:
    run = start("garbage")
    follow(run, lambda: not run.active)
    assert run.state == "done"


def test_stop_ends_the_process_within_a_second(start: Start) -> None:
    run = start("slow")
    follow(run, lambda: run.progress is not None)
    begin = time.monotonic()
    run.stop()
    assert time.monotonic() - begin < 1.5
    assert not is_alive(run.worker.process_id)
    assert run.state == "cancelled"


def test_events_come_in_order(tmp_path: Path) -> None:
    worker = Worker([sys.executable, str(FAKE), "finish"], tmp_path / "log")
    end = time.monotonic() + 20
    events = worker.poll()
    while not events and time.monotonic() < end:
        time.sleep(0.01)
        events = worker.poll()
    assert events == [Log("Ready")]
    worker.stop()


def test_a_python_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere/python cannot be started \(No such file or directory\): choose"):
        Worker(["nowhere/python"], tmp_path / "log")


def test_the_backend_is_shut_off_from_python_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "job.py").write_text("raise SystemExit(9)", encoding="utf-8")
    worker = Worker([sys.executable, str(FAKE), "finish"], tmp_path / "log")
    assert Run(worker, tmp_path, tmp_path / "result").active
    command = backend_command("python", Path("cache"), "worker")
    assert command == ["python", "-E", "-s", "-X", "pycache_prefix=cache", "-m", "backend", "worker"]
    assert (ADD_ON_FOLDER / "backend" / "__main__.py").is_file()
    end = time.monotonic() + 20
    while worker.exit_code is None and not worker.poll() and time.monotonic() < end:
        time.sleep(0.01)
    assert worker.exit_code is None, last_line(worker.log)
    worker.stop()
