"""Interrupts what an operator waits for in background Blender: by a cancel, or by killing its process."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from diffbmp.operators.session.slots import Slot

KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
SHARE = 0.5
"""Share of the operators that are interrupted."""


class Interruption:
    """While it is entered, a thread interrupts the slot's task at a random moment, or never.

    rng: chooses; None = never. seen: gets the folder of the task's result. kinds: "cancel" and "kill". kind: the chosen
    one, "" = none. acted: whether it was done.
    """

    def __init__(
        self, rng: random.Random | None, slot: Slot, seen: list[Path], kinds: tuple[str, ...] = ("cancel", "kill")
    ) -> None:
        self.kind, self.acted = "", False
        self._delay, self._first, self._slot, self._seen = 0.0, False, slot, seen
        if rng is not None:
            self.kind = rng.choice(kinds) if rng.random() < SHARE else ""
            self._delay = rng.choice((0.0, rng.uniform(0, 0.2), rng.uniform(0, 1), rng.uniform(0, 4)))
            self._first = rng.random() < 0.5
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._interrupt, daemon=True)

    def __enter__(self) -> Interruption:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _interrupt(self) -> None:
        while not self._over.wait(0.005):
            task = self._slot.task
            # Blender's own thread collects, and cannot be interrupted in background mode.
            if task is None or getattr(task, "state", "") == "collecting":
                continue
            out = getattr(task, "out", None)
            if out is not None and out not in self._seen:
                self._seen.append(out)
            if not self.kind:
                return
            if self._first and not self._has_begun(task):
                continue
            if not self._over.wait(self._delay):
                self._act(task)
            return

    def _has_begun(self, task: Any) -> bool:
        """Whether the backend has told of its first progress; a command that tells nothing begins at once."""
        said = [getattr(task, name) for name in ("progress", "exporting") if hasattr(task, name)]
        return not said or any(item is not None for item in said)

    def _act(self, task: Any) -> None:
        if self.kind == "cancel":
            self.acted = True
            task.cancel()
            return
        process = task.worker._process if hasattr(task, "worker") else task._process
        if process.returncode is None:
            self.acted = True
            os.kill(process.pid, KILL)
            end = time.monotonic() + 10
            while process.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
