"""Soak: the add-on in background Blender does at random what artists do, and what machines do to them, for hours.

`python3 dev.py soak --minutes 120 --seed 7`. It ends at the first thing that is lost, left behind or badly told, with
the number of the step. A step depends on the seed and its own number only: `--from STEP` begins there.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MARK = "soak "
"""Begins the lines by which the session in Blender tells what it does."""
HANG_SECONDS = 300.0
"""Longest time of a step."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dev.py soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long it runs")
    parser.add_argument("--seed", type=int, default=0, help="chooses the steps")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="STEP", help="the first step")
    chosen = parser.parse_args(arguments)
    if hasattr(os, "nice"):
        os.nice(5)
    (ROOT / "build").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"soak-{chosen.seed}-", dir=ROOT / "build"))
    session = Session(folder, chosen.seed, chosen.first)
    violation = session.follow(60.0 * chosen.minutes)
    session.summarize()
    if violation:
        repeat = f"python3 dev.py soak --seed {chosen.seed}"
        say(f"VIOLATION at step {session.step}: {violation}")
        say(f"Repeat it with {repeat}, or sooner with {repeat} --from {session.step}. What it left is in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    say(f"Nothing was lost in {session.step - chosen.first + 1:,} steps")
    return 0


class Session:
    """Blender in a process of its own, whose temporary files lie below `folder`. It does steps until it is ended."""

    def __init__(self, folder: Path, seed: int, first: int) -> None:
        self.step, self.latest = first, dict[str, Any]()
        self.counts: Counter[str] = Counter()
        self._longest = (0.0, first)
        self._folder, self._said, self._begin = folder, queue.SimpleQueue[str | None](), time.monotonic()
        for name in ("user", "temporary"):
            (folder / name).mkdir()
        command = [sys.executable, "-m", "tests.trust.support.soak.session", str(folder), str(seed), str(first)]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        variables |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder / "temporary"))
        with open(folder / "stderr.txt", "wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace"
            )
        threading.Thread(target=self._listen, daemon=True).start()

    def follow(self, seconds: float) -> str:
        """Follows the steps for a time. Returns what was violated, "" = nothing."""
        end, next_line = self._begin + seconds, self._begin + 60.0
        try:
            while time.monotonic() < end:
                said = self._said.get(timeout=HANG_SECONDS)
                if said is None:
                    return f"Blender ended with {self._process.wait()}: {self._last_words()}"
                self.latest = json.loads(said)
                self.step = self.latest["step"]
                if problem := self.latest.get("violation"):
                    return str(problem)
                self._longest = max(self._longest, (self.latest["seconds"], self.step))
                self.counts[f"{self.latest['kind']}: {self.latest['end']}"] += 1
                if time.monotonic() > next_line:
                    next_line += 60.0
                    say(self._line())
        except queue.Empty:
            return f"a step took more than {HANG_SECONDS:.0f} s"
        finally:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return ""

    def summarize(self) -> None:
        """Says how often each kind of step ended in which way."""
        for name, count in sorted(self.counts.items()):
            say(f"{count:6} {name}")

    def _line(self) -> str:
        minutes = (time.monotonic() - self._begin) / 60
        figures = ", ".join(
            f"{name} {self.latest[name]}" for name in ("rss_mb", "fds", "threads") if name in self.latest
        )
        done = f"{sum(self.counts.values())} done, the longest {self._longest[1]} in {self._longest[0]:.0f} s"
        return f"{minutes:5.1f} min, step {self.step}, {done}; {figures}"

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith(MARK):
                self._said.put(line.removeprefix(MARK))
        self._said.put(None)

    def _last_words(self) -> str:
        text = (self._folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")
        return text[-2000:].strip()


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
