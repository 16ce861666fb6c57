"""The backend's process from outside, with a stand-in that speaks its protocol."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from diffbmp.backend.job import UserError
from diffbmp.backend.job.messages import Log, Progress
from diffbmp.operators.process import fit_run as run_module
from diffbmp.operators.process import worker as worker_module
from diffbmp.operators.process.fit_run import Run
from diffbmp.operators.process.single_run import SingleRun
from diffbmp.operators.process.warm_worker import WarmWorker
from diffbmp.operators.process.worker import ADD_ON_FOLDER, Worker, backend_command, last_line, start_process

FAKE = Path(__file__).parents[1] / "support" / "fake_worker.py"

Start = Callable[[str], Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a run whose worker has a given behavior; none outlives the test."""
    workers: list[Worker] = []

    def start(behavior: str) -> Run:
        workers.append(Worker([sys.executable, str(FAKE), behavior], tmp_path / "worker.log"))
        return Run(workers[0], tmp_path, tmp_path / "result")

    yield start
    for worker in workers:
        worker.stop()
        assert not is_alive(worker.process_id)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives a worker the time that a busy computer needs for a cancel."""
    monkeypatch.setattr(run_module, "CANCEL_SECONDS", 60.0)


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def follow(run: Run, until: Callable[[], bool], seconds: float = 60.0) -> None:
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
    assert not run.worker.is_leaving


def test_update_never_waits(start: Start) -> None:
    """update returns although the process, which runs for ten minutes, has written nothing."""
    run = start("silent")
    assert not any(run.update() for _ in range(100))
    assert (run.state, run.worker.exit_code) == ("running", None)


def test_cancel_keeps_the_best_layout(start: Start, patient: None) -> None:
    run = start("slow")
    follow(run, lambda: run.progress is not None)
    run.cancel()
    assert run.state == "cancelling"
    follow(run, lambda: not run.active)
    assert run.state == "cancelled"
    assert run.has_layout
    assert not run.worker.is_leaving
    assert run.message == "Cancelled: the best layout so far is kept and can be built"


def test_a_run_is_paused_and_continued(start: Start, patient: None) -> None:
    run = start("slow")
    run.resume()
    follow(run, lambda: run.progress is not None)
    run.pause()
    assert (run.state, run.active) == ("paused", True)
    run.resume()
    assert run.state == "running"
    run.pause()
    run.cancel()
    follow(run, lambda: not run.active)
    assert run.state == "cancelled"
    assert not run.worker.is_leaving


def steps_of(count: int, fails: bool = False) -> Generator[str, None, list[str]]:
    for number in range(count):
        yield f"step {number}"
        time.sleep(0.005)
    if fails:
        raise UserError("The stamp is gone: choose another")
    return ["one was left out"]


def test_the_job_is_written_in_short_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker([sys.executable, str(FAKE), "finish"], tmp_path / "log")
    (tmp_path / "job").mkdir()
    run = Run(worker, tmp_path / "job", tmp_path / "result", steps_of(30))
    # With this clock a step takes 6 ms: three have begun when COLLECT_SECONDS are over.
    ticks = itertools.count()
    monkeypatch.setattr(run_module, "monotonic", lambda: 0.0061 * next(ticks))
    monkeypatch.setattr(run_module, "START_SECONDS", float("inf"))  # by that clock, a slow start would be late
    done = []
    while run.state == "collecting":
        assert run.update()
        done.append(run.doing)
    assert done[:2] == ["step 2", "step 5"]
    assert done[9:] == ["step 29", "step 29"]
    monkeypatch.undo()
    follow(run, lambda: not run.active)
    assert (run.state, run.left_out) == ("done", ["one was left out"])
    worker.stop()


@pytest.mark.parametrize("ending", ["cancel", "stop", "error", "no-torch"])
def test_an_unfinished_job_leaves_nothing(tmp_path: Path, ending: str) -> None:
    behavior = ending if ending == "no-torch" else "finish"
    worker = Worker([sys.executable, str(FAKE), behavior], tmp_path / "log")
    (tmp_path / "job").mkdir()
    run = Run(worker, tmp_path / "job", tmp_path / "result", steps_of(12 if ending == "error" else 9999, True))
    run.update()
    if ending == "cancel":
        run.cancel()
        assert run.message == "Cancelled: there is no layout yet"
    elif ending == "stop":
        run.stop()
    follow(run, lambda: not run.active)
    assert run.state == ("failed" if ending in ("error", "no-torch") else "cancelled")
    assert not (tmp_path / "job").exists()
    assert worker.is_leaving == (ending in ("stop", "no-torch"))
    worker.stop()


def test_a_warm_worker_is_used_again(tmp_path: Path) -> None:
    warm, command = WarmWorker(), [sys.executable, str(FAKE), "finish"]
    worker = warm.take(command, tmp_path / "log")
    run = Run(worker, tmp_path, tmp_path / "one")
    follow(run, lambda: not run.active)
    warm.keep(worker)
    assert warm.take(command, tmp_path / "log") is worker
    run = Run(worker, tmp_path, tmp_path / "two")
    follow(run, lambda: not run.active)
    assert (run.state, run.out) == ("done", tmp_path / "two")
    warm.keep(worker)
    other = warm.take([*command[:2], "slow"], tmp_path / "log")
    assert other is not worker
    warm.keep(other)
    other.kill()
    while other.exit_code is None:
        other.poll()
    fresh = warm.take([*command[:2], "slow"], tmp_path / "log")
    assert fresh is not other
    warm.keep(fresh)
    warm.clear()
    assert not is_alive(fresh.process_id)


@pytest.mark.parametrize("behavior", ["lingers", "mute"])
def test_a_worker_that_takes_no_more_jobs_is_not_kept(tmp_path: Path, behavior: str) -> None:
    """Its process still runs, but it failed at its start or its events have ended."""
    warm, command = WarmWorker(), [sys.executable, str(FAKE), behavior]
    worker = warm.take(command, tmp_path / "log")
    run = Run(worker, tmp_path, tmp_path / "result")
    follow(run, lambda: not run.active and worker.is_leaving)
    assert run.state == ("done" if behavior == "mute" else "failed")
    assert worker.exit_code is None
    assert is_alive(worker.process_id)
    warm.keep(worker)
    other = warm.take(command, tmp_path / "log")
    assert other is not worker
    for each in (worker, other):
        each.stop()
        assert not is_alive(each.process_id)


def test_cancel_before_the_first_step(start: Start) -> None:
    """The worker, which is silent for ten minutes, is killed."""
    run = start("silent")
    run.cancel()
    follow(run, lambda: not run.active)
    assert run.message == "Cancelled: there is no layout yet"
    assert run.worker.is_leaving


def test_a_worker_that_ignores_cancel_is_killed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "CANCEL_SECONDS", 0.3)
    run = start("deaf")
    follow(run, lambda: run.progress is not None)
    run.cancel()
    follow(run, lambda: not run.active)
    assert run.state == "cancelled"
    assert run.has_layout
    assert run.worker.is_leaving


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
def test_a_killed_worker_gives_one_sentence(start: Start) -> None:
    run = start("slow")
    follow(run, lambda: run.has_layout)
    os.kill(run.worker.process_id, signal.SIGKILL)
    follow(run, lambda: not run.active)
    assert run.state == "failed"
    assert run.message == (
        "The backend ended unexpectedly (killed by SIGKILL) - the best layout so far is kept and can be built"
    )


def test_a_crash_names_the_last_line_of_the_log(start: Start) -> None:
    run = start("crash")
    follow(run, lambda: not run.active)
    assert run.state == "failed"
    assert run.message.startswith("The backend ended unexpectedly (exit code 3): Segmentation fault in the engine")


def test_a_python_that_cannot_run_the_backend_is_reported(start: Start) -> None:
    run = start("stranger")
    follow(run, lambda: not run.active)
    assert (run.state, run.action) == ("failed", "install")
    assert run.message.startswith("The backend did not start (exit code 0) - press Install in the add-on's preferences")


def test_a_silent_program_is_killed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "START_SECONDS", 0.5)
    run = start("silent")
    follow(run, lambda: not run.active)
    assert (run.state, run.action) == ("failed", "install")
    assert "did not start" in run.message


@pytest.mark.parametrize(
    ("behavior", "message", "action"),
    [
        ("error", "The target has no pixels: choose another", ""),
        ("no-torch", f"{sys.executable} has no torch: install the backend's packages", "install"),
    ],
)
def test_the_backends_own_errors_are_passed_on(start: Start, behavior: str, message: str, action: str) -> None:
    run = start(behavior)
    follow(run, lambda: not run.active)
    assert (run.state, run.message, run.action) == ("failed", message, action)
    assert not run.has_layout


def test_garbage_among_the_events_does_no_harm(start: Start) -> None:
    run = start("garbage")
    follow(run, lambda: not run.active)
    assert run.state == "done"


def test_hostile_lines_do_no_harm(start: Start) -> None:
    run = start("hostile")
    follow(run, lambda: not run.active)
    assert run.state == "failed"
    assert run.progress == Progress(1, 100, 1.0, 20.0, 99.0)
    assert run.message.startswith("mmm")
    assert len(run.message) < 400
    run.message.encode()


def test_events_that_nobody_takes_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "MOST_EVENTS", 5)
    worker = Worker([sys.executable, "-c", "while True: print('spam')"], tmp_path / "log")
    end = time.monotonic() + 60
    while len(events := worker.poll()) < 5 and time.monotonic() < end:
        time.sleep(0.2)
    assert len(events) == 5
    worker.stop()
    assert not is_alive(worker.process_id)


def test_the_last_line_of_a_huge_log_is_short(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_bytes(b"n" * 10_000_000 + b"\nMemory\x00 \xff ends\n\n")
    assert last_line(log) == "Memory  \ufffd ends"
    log.write_bytes(b"n" * 10_000_000)
    assert len(last_line(log)) == 259


@pytest.mark.parametrize("behavior", ["slow", "silent"])
def test_stop_ends_the_process(start: Start, behavior: str) -> None:
    """Ends even one that ignores the end of its stdin; on their own they would run for ten minutes."""
    run = start(behavior)
    follow(run, lambda: run.progress is not None or behavior == "silent")
    run.stop()
    assert not is_alive(run.worker.process_id)
    assert run.state == "cancelled"
    assert run.worker.is_leaving


def test_events_come_in_order(tmp_path: Path) -> None:
    worker = Worker([sys.executable, str(FAKE), "finish"], tmp_path / "log")
    end = time.monotonic() + 60
    events = worker.poll()
    while not events and time.monotonic() < end:
        time.sleep(0.01)
        events = worker.poll()
    assert events == [Log("Ready")]
    worker.stop()


def test_a_file_that_is_no_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere/python cannot be started \(No such file or directory\): choose"):
        Worker(["nowhere/python"], tmp_path / "log")


def test_python_settings_do_not_reach_the_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "job.py").write_text("raise SystemExit(9)", encoding="utf-8")
    worker = Worker([sys.executable, str(FAKE), "finish"], tmp_path / "log")
    assert Run(worker, tmp_path, tmp_path / "result").active
    command = backend_command("python", Path("cache"), "worker")
    assert command == ["python", "-E", "-s", "-X", "pycache_prefix=cache", "-m", "backend", "worker"]
    assert (ADD_ON_FOLDER / "backend" / "__main__.py").is_file()
    end = time.monotonic() + 60
    while worker.exit_code is None and not worker.poll() and time.monotonic() < end:
        time.sleep(0.01)
    assert worker.exit_code is None, last_line(worker.log)
    worker.stop()


def test_a_log_that_cannot_be_written_is_named_instead_of_the_python(tmp_path: Path) -> None:
    log = tmp_path / "missing" / "worker.log"
    with pytest.raises(UserError, match=r"worker\.log cannot be written to \(No such file or directory\)"):
        start_process([sys.executable, "-c", ""], log)
    silent = SingleRun([sys.executable, "-c", "raise SystemExit(120)"], tmp_path / "run.log")
    while silent.active:
        time.sleep(0.01)
    assert silent.reason.startswith(f"{tmp_path / 'run.log'} cannot be written to")


def test_steps_on_a_full_disk_end_in_one_sentence(tmp_path: Path) -> None:
    def steps() -> Generator[str, None, list[str]]:
        yield "Writing"
        raise OSError(errno.ENOSPC, "No space left on device")

    job = tmp_path / "job"
    job.mkdir()
    worker = Worker([sys.executable, str(FAKE), "finish"], tmp_path / "worker.log")
    try:
        with pytest.raises(UserError, match=r"job cannot be written to \(No space left on device\)"):
            Run(worker, job, job / "result", steps()).collect()
    finally:
        worker.stop()
    assert not job.exists()
