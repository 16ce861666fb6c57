"""The processes in which cases run, as the one that watches them sees them."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.trust.support import machine

ROOT = Path(__file__).resolve().parents[4]
WORKER = [sys.executable, "-E", "-s", "-m", "backend", "worker"]
START_SECONDS = 100.0
HANG_SECONDS = 20.0
"""Longest time of a case on a processor."""
PATIENCE = 60.0
"""Longest time in which a case does not work at all, s; a busy machine has a processor for it sooner."""
BUDGET = 850 * 1024
"""Memory that a case may need more than there was, kB.

The largest picture here has 16384 x 4096 px. As a progressive JPEG in CMYK, it takes 8 bytes a pixel while it is
decoded, and 4 then.
"""


class Process:
    """A process that answers lines on its stdin with lines on its stdout. temporary: folder of its temporary files."""

    def __init__(self, command: list[str], temporary: Path, log: Path) -> None:
        self.log = log
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        variables |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
        with open(log, "wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        self._before, self._begin, self._worked, self._give_up = 0, 0.0, 0.0, 0.0

    @property
    def number(self) -> int:
        return self._process.pid

    def send(self, line: str) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(line.encode("utf-8", "surrogateescape") + b"\n")
            self._process.stdin.flush()
        except OSError:  # it has ended: receive() tells
            pass

    def receive(self, seconds: float) -> bytes | None:
        """Returns its next line; None where it has ended. Raises queue.Empty where it says nothing."""
        return self._lines.get(timeout=seconds)

    def begin_case(self) -> None:
        """Begins to measure its memory anew."""
        if machine.KNOWN:
            Path(f"/proc/{self.number}/clear_refs").write_text("5")
        self._before, self._begin = machine.memory(self.number), machine.cpu_seconds(self.number)
        self._worked, self._give_up = 0.0, time.monotonic() + PATIENCE

    def used(self) -> int:
        """Returns the greatest memory since begin_case(), kB more than then."""
        return machine.peak(self.number) - self._before

    def hang(self) -> str:
        """Says that it takes too long since begin_case(), "" if it does not."""
        worked = machine.cpu_seconds(self.number) - self._begin
        if worked > self._worked:
            self._worked, self._give_up = worked, time.monotonic() + PATIENCE
        late = worked > HANG_SECONDS or time.monotonic() > self._give_up
        return f"hang: {worked:.0f} s of work and no end" if late else ""

    def end(self) -> int:
        """Ends it at once. Returns its exit code."""
        self._process.kill()
        return self._process.wait()

    def code(self) -> int:
        """Returns the exit code of a process that has ended by itself."""
        return self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)


class Child:
    """Runs cases in a process of a module of this folder, which is started anew where it was lost."""

    def __init__(self, module: str, work: Path) -> None:
        self._temporary, self._log = work / f"temporary-{module}", work / f"{module}.log"
        self._temporary.mkdir()
        name = f"tests.trust.support.fuzz.{module}"
        self._command = [sys.executable, "-m", name, str(self._temporary)]
        self._process: Process | None = None

    def run(self, kind: str, folder: Path, outside: Path, arguments: list[str]) -> tuple[str, str]:
        """Runs a case. Returns its problem, "" = none, and the sentence for the user, "" = it just works."""
        process = self._process = self._process or self._start()
        process.begin_case()
        request = {"kind": kind, "folder": str(folder), "outside": str(outside), "arguments": arguments}
        process.send(json.dumps(request))
        said, problem = _wait(process)
        used = process.used()
        if problem:
            self.close()
            return problem, ""
        reply: dict[str, Any] = json.loads(said)
        if reply["end"] == "traceback":
            return str(reply["message"]), ""
        if reply["escapes"]:
            return f"escape: it {reply['escapes'][0]}", ""
        if used > BUDGET:
            self.close()  # what it took, it may keep
            return f"over the budget: {used // 1024} MB", ""
        # Blender keeps a folder of its own.
        if left := [path.name for path in self._temporary.iterdir() if not path.name.startswith("blender_")]:
            self.close()
            return f"temporary files are left: {left[0]}", ""
        return "", str(reply["message"])

    def close(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None
        for path in self._temporary.iterdir():
            if path.is_file():
                path.unlink()

    def _start(self) -> Process:
        process = Process(self._command, self._temporary, self._log)
        try:
            said = process.receive(START_SECONDS)
        except queue.Empty:
            said = None
        if said is None:
            raise RuntimeError(f"{self._command} does not start: {self._log.read_text(errors='replace')[-2000:]}")
        return process


def _wait(process: Process) -> tuple[bytes, str]:
    """Waits for a line. Returns it, and the problem that there is instead."""
    while True:
        try:
            said = process.receive(0.2)
        except queue.Empty:
            if process.used() > 8 * BUDGET:
                return b"", f"over the budget: more than {process.used() // 1024} MB"
            if hang := process.hang():
                return b"", hang
            continue
        if said is None:
            return b"", f"crash: exit code {process.code()}"
        return said, ""


class WorkerChild:
    """Gives lines to a worker as Blender does, and looks whether it still serves after them."""

    def __init__(self, work: Path) -> None:
        self._temporary, self._log = work / "temporary-worker", work / "worker.log"
        self._temporary.mkdir()
        self._process: Process | None = None
        self._number = 0

    def run(self, folder: Path, lines: list[str]) -> tuple[str, list[str]]:
        """Sends the lines. Returns the problem, "" = none, and the sentences of the worker's errors."""
        process = self._process = self._process or self._start()
        self._number += 1
        last = f"missing-{self._number}-"
        process.begin_case()
        for line in lines:
            process.send(line)
        process.send(json.dumps({"command": "fit", "job": str(folder / last), "out": str(folder / "out")}))
        problem, sentences = self._listen(process, last)
        if not problem and "Traceback" in (log := self._log.read_text(errors="replace")):
            problem = log[-4000:]
        if not problem and process.used() > BUDGET:
            problem = f"over the budget: {process.used() // 1024} MB"
        if problem:
            self.close()
        return problem, sentences

    def _start(self) -> Process:
        process = Process(WORKER, self._temporary, self._log)
        said = process.receive(START_SECONDS)
        if said is None or b"Ready" not in said:
            raise RuntimeError(f"the worker does not start: {self._log.read_text(errors='replace')[-2000:]}")
        return process

    def _listen(self, process: Process, last: str) -> tuple[str, list[str]]:
        sentences = list[str]()
        while True:
            try:
                said = process.receive(0.3)
            except queue.Empty:
                if hang := process.hang():
                    return f"it is deaf; {hang}", sentences
                process.send('{"command": "continue"}')
                continue
            if said is None:
                log = self._log.read_text(errors="replace")
                return f"crash: exit code {process.code()}: {log[-3000:]}", sentences
            event = json.loads(said)
            if event["event"] == "error":
                if last in event["message"]:
                    return "", sentences
                sentences.append(event["message"])

    def close(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None
