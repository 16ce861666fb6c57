"""The worker as a real process: its protocol, and every way in which it may end."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pytest

from backend.job.files import sweep
from backend.job.job import Job
from backend.job.messages import Command, Done, Error, Event, Log, Progress, decode_event
from backend.layouts.result_folder import load_result

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0  # s, for what takes as long as a busy machine needs

E = TypeVar("E", Progress, Log, Error, Done)


class Process:
    """A worker process and what it says."""

    def __init__(self, *program: str, log: Path | str = os.devnull) -> None:
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-E", "-s", "-B", *(program or ("-m", "backend", "worker"))],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
            )
        self._events: queue.Queue[Event] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._events.put(decode_event(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")

    def tell(self, command: str, job: Path | str = "", out: Path | str = "") -> None:
        self.write(Command(command, str(job), str(out), outside=True).encode())

    def next(self, kind: type[E], fits: Callable[[E], bool] = lambda event: True) -> E:
        """The next event of a kind that fits; others are passed over, but for an error, which fails the test."""
        deadline = time.monotonic() + PATIENCE
        while True:
            event = self._events.get(timeout=max(deadline - time.monotonic(), 0.001))
            if isinstance(event, kind) and fits(event):
                return event
            assert not isinstance(event, Error), event

    def said_within(self, seconds: float) -> list[Event]:
        time.sleep(seconds)
        return [self._events.get() for _ in range(self._events.qsize())]

    def end(self) -> int:
        return self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def worker() -> Iterator[Process]:
    """One for all tests that leave it alive."""
    with Process() as process:
        process.next(Log, lambda event: event.text == "Ready")
        yield process


@pytest.fixture
def short(job: Job, tmp_path: Path) -> Path:
    """A job folder that takes a fraction of a second."""
    job.save(tmp_path / "short")
    return tmp_path / "short"


@pytest.fixture
def endless(job: Job, tmp_path: Path) -> Path:
    """A job folder that takes hours. Its checkpoints are far apart, so that a kill seldom falls into one."""
    job.settings = replace(job.settings, iterations=1_000_000, preview_seconds=5.0)
    job.save(tmp_path / "endless")
    return tmp_path / "endless"


def advanced(event: Progress) -> bool:
    return event.step > 0


def temporary_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_two_jobs_in_a_row(worker: Process, short: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        worker.tell("fit", short, tmp_path / name)
    for name in ("first", "second"):
        progress = worker.next(Progress)
        assert Path(progress.preview) == tmp_path / name / "preview.png"
        assert Path(progress.preview).is_file()
        assert worker.next(Done) == Done(str(tmp_path / name), False)
        assert load_result(tmp_path / name)[0].count == 40


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"command": ' + "[" * 100_000,
        "1" * 5000,
        '{"command": 1e400}',
        '{"command": "fit", "job": "\\ud800", "out": "x"}',
        '{"command": "fit", "job": "a\\u0000b", "out": "x"}',
        '{"command": "%s"}' % ("n" * 3_000_000),
    ],
    ids=["nested", "nested inside", "digits", "infinite", "surrogate", "nul", "long"],
)
def test_hostile_lines_are_answered_in_a_short_sentence(worker: Process, line: str) -> None:
    worker.write(line)
    message = worker.next(Error).message
    assert len(message) < 200
    assert message.isprintable()


@pytest.mark.parametrize("line", ["garbage", '{"command": "dance"}', '{"command": "fit"}', "[1]", "\x00 ä"])
def test_garbage_is_answered_and_survived(worker: Process, line: str) -> None:
    worker.write("")  # an empty line is nothing
    worker.write(line)
    assert worker.next(Error).message


def test_a_wrong_job_is_answered_and_survived(worker: Process, short: Path, tmp_path: Path) -> None:
    worker.tell("fit", tmp_path / "nowhere", tmp_path / "out")
    assert "job.json cannot be read" in worker.next(Error).message
    (tmp_path / "leaf.png").unlink()
    worker.tell("fit", short, tmp_path / "out")
    assert "There is no picture" in worker.next(Error).message
    worker.tell("fit", short, tmp_path / "target.png")
    assert worker.next(Error).message
    assert not (tmp_path / "out").exists()


def test_pause_and_continue(worker: Process, endless: Path, tmp_path: Path) -> None:
    worker.tell("pause")  # there is nothing to pause yet
    worker.tell("fit", endless, tmp_path / "out")
    worker.next(Progress, advanced)
    worker.tell("pause")
    while worker.said_within(0.5):
        pass  # until it rests
    worker.tell("continue")
    worker.next(Progress)
    worker.tell("pause")
    worker.tell("cancel")
    assert worker.next(Done).cancelled


def test_cancel_keeps_the_best_layout(worker: Process, endless: Path, tmp_path: Path) -> None:
    worker.tell("fit", endless, tmp_path / "out")
    worker.next(Progress, advanced)
    worker.tell("cancel")
    assert worker.next(Done) == Done(str(tmp_path / "out"), True)
    assert load_result(tmp_path / "out")[0].count == 40
    assert (tmp_path / "out" / "render.png").is_file()
    assert temporary_files(tmp_path) == []


def test_cancel_drops_what_waits(worker: Process, endless: Path, tmp_path: Path) -> None:
    for name in ("running", "waiting"):
        worker.tell("fit", endless, tmp_path / name)
    worker.next(Progress)
    worker.tell("cancel")
    assert worker.next(Done) == Done(str(tmp_path / "running"), True)
    assert worker.next(Done) == Done("", True)
    assert not (tmp_path / "waiting").exists()


def test_quit(endless: Path, tmp_path: Path) -> None:
    with Process() as process:
        process.tell("fit", endless, tmp_path / "out")
        process.next(Progress)
        process.tell("quit")
        assert process.next(Done).cancelled
        assert process.end() == 0


def test_the_end_of_stdin_ends_the_worker(endless: Path, tmp_path: Path) -> None:
    """Blender was closed, or died."""
    with Process() as process:
        process.tell("fit", endless, tmp_path / "out")
        process.next(Progress, advanced)
        process.tell("pause")
        assert process.process.stdin is not None
        process.process.stdin.close()
        assert process.end() == 0
    assert load_result(tmp_path / "out")[0].count == 40
    assert temporary_files(tmp_path) == []


def test_the_end_of_stdin_ends_an_idle_and_a_starting_worker() -> None:
    for wait_until_ready in (False, True):
        with Process() as process:
            if wait_until_ready:
                process.next(Log)
            assert process.process.stdin is not None
            process.process.stdin.close()
            assert process.end() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")
def test_terminate_keeps_the_best_layout(endless: Path, tmp_path: Path) -> None:
    with Process() as process:
        process.tell("fit", endless, tmp_path / "out")
        process.next(Progress, advanced)
        process.process.terminate()
        assert process.next(Done) == Done(str(tmp_path / "out"), True)
        assert process.end() == 0
    assert load_result(tmp_path / "out")[0].count == 40
    assert temporary_files(tmp_path) == []


def test_kill_leaves_the_latest_checkpoint(endless: Path, tmp_path: Path) -> None:
    with Process() as process:
        process.tell("fit", endless, tmp_path / "out")
        process.next(Progress, lambda event: bool(event.preview))
        process.process.kill()
        assert process.end() != 0
    assert load_result(tmp_path / "out")[0].count == 40
    sweep(tmp_path)  # as the next run does: the lock of the place is left
    assert temporary_files(tmp_path) == []


def test_stray_prints_do_not_disturb_the_events(short: Path, tmp_path: Path) -> None:
    code = """if True:
        import os, sys
        import backend.runs, backend.cli.worker
        run_job = backend.runs.run_job
        def noisy(*arguments):
            print("a library's print", flush=True)
            os.write(1, b"a native library's print\\n")
            run_job(*arguments)
        backend.runs.run_job = noisy
        backend.cli.worker.main()
    """
    command = Command("fit", str(short), str(tmp_path / "out"), outside=True).encode()
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
        input=f"{command}\n" + " " * 10,
    )  # fmt: skip
    events = [decode_event(line) for line in done.stdout.splitlines()]
    assert isinstance(events[-1], Done)
    assert done.stderr.count("library's print") == 2


class Sabotaged(Process):
    """A worker that runs lines of Python instead of a fit, with the fit's arguments: see backend.runs.run_job."""

    def __init__(self, log: Path, body: str) -> None:
        code = f"""if True:
            import gc, re, threading, time, weakref
            import numpy as np
            import backend.runs, backend.cli.worker
            from backend.job import Log
            run_job = backend.runs.run_job
            held = []
            class Ballast(list): pass
            def fit(job, out, emit, control):
                emit(Log("begun"))
                exec({body!r}, {{**globals(), **locals()}})
            backend.runs.run_job = fit
            backend.cli.worker.main()
        """
        super().__init__("-c", code, log=log)


ERRORS = {
    r"raise KeyError('no such\x1b thing')": "an error that it does not know (KeyError: 'no such",
    "raise OSError(28, 'No space left on device', '/tmp/.diffbmp-hidden')": "(OSError: No space left on device)",
    "raise ValueError('n' * 5000)": "(ValueError: nnn",
    "raise MemoryError": "There is too little memory",
    "(lambda f: f(f))(lambda f: f(f))": "RecursionError",
    "big = Ballast(); big.append(big); held.append(weakref.ref(big)); raise KeyError(len(big))": "(KeyError: 1)",
}
"""What a job does, and a part of the sentence about it."""


def test_whatever_goes_wrong_in_a_job_the_next_one_is_served(short: Path, tmp_path: Path) -> None:
    """And the memory of a failed job is released."""
    body = f"exec({list(ERRORS)!r}[int(out.name)]) if out.name.isdigit() else run_job(job, out, emit, control)"
    with Sabotaged(tmp_path / "log", f"{body}; emit(Log(f'released {{held[0]() is None}}'))") as one:
        for number, words in enumerate(ERRORS.values()):
            one.tell("fit", short, tmp_path / str(number))
            error = one.next(Error)
            assert words in error.message
            assert ".diffbmp-hidden" not in error.message
            assert len(error.message) < 300
            assert error.message.isprintable()
            assert error.action in ("show_log", "halve_size")
        one.tell("fit", short, tmp_path / "good")
        assert one.next(Done) == Done(str(tmp_path / "good"))
        assert one.next(Log).text == "released True"
    assert "Traceback" in (tmp_path / "log").read_text(encoding="utf-8")


BUSY = {
    "a loop": "while True: pass",
    "what catches everything": "while True:\n try: time.sleep(1)\n except BaseException: pass",
    "native code": "np.sort(np.random.default_rng(1).random(1 << 27))",
    # No Python code runs after the stop has begun: the pattern takes years, and keeps Python's lock.
    "a held lock": "threading.Timer = lambda *_: re.match('(a+)+$', 'a' * 60 + 'b')\ntime.sleep(600)",
}
"""What a job does that looks at no control."""


@pytest.mark.parametrize("body", BUSY.values(), ids=BUSY)
def test_the_end_of_stdin_ends_a_worker_that_is_busy(short: Path, tmp_path: Path, body: str) -> None:
    with Sabotaged(tmp_path / "log", body) as one:
        one.tell("fit", short, tmp_path / "out")
        one.next(Log, lambda event: event.text == "begun")
        assert one.process.stdin is not None
        one.process.stdin.close()
        assert one.end() in (0, 1)
    assert (tmp_path / "log").read_text(encoding="utf-8") == ""
