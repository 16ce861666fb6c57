"""A stand-in for `python -m backend worker`: speaks the same protocol, computes nothing.

Its behavior is the first argument: finish, slow, deaf, silent, stranger, error, crash, no-torch, lingers, mute,
garbage, hostile. "slow" takes ten minutes, "silent" says nothing, "stranger" is another program, "lingers" has no torch
either but does not end at once, "mute" closes its stdout after a job, "hostile" writes what is no event.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

LONG = 600.0
"""Seconds: longer than any test waits."""


def say(event: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def progress(step: int) -> None:
    say("progress", step=step, total=100, loss=1.0 / step, psnr=20.0, seconds_left=100.0 - step, preview="")


def leave_layout(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name in ("layout.json", "layout.npz"):
        (out / name).write_text("{}", encoding="utf-8")


def listen(commands: SimpleQueue[dict[str, str]]) -> None:
    for line in sys.stdin:
        commands.put(json.loads(line))
    os._exit(0)


def fit(behavior: str, command: dict[str, str], commands: SimpleQueue[dict[str, str]]) -> None:
    out = Path(command["out"])
    if behavior == "error":
        say("error", message="The target has no pixels: choose another", action="")
        return
    progress(1)
    leave_layout(out)
    if behavior == "crash":
        sys.stderr.write("Segmentation fault in the engine\n\n")
        sys.stderr.flush()
        os._exit(3)
    if behavior == "garbage":
        sys.stdout.write("warning: something printed this\n")
    if behavior == "hostile":
        sys.stdout.flush()
        for line in (b"\xff\x00\xfe", b"[" * 100_000, b"n" * 100_000_000, b'{"event": "log", "text": "\\ud800"}'):
            sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
        say("progress", step=1, total=0, loss=1.0, psnr=float("nan"), seconds_left=float("inf"), preview="")
        say("error", message="m" * 100_000 + "\udcff\n", action="")
        return
    for step in range(2, 101 if behavior in ("finish", "garbage") else 3):
        progress(step)
    waits = behavior in ("slow", "deaf")
    cancelled = waits and wait_for_cancel(behavior, commands)
    say("done", out=str(out), cancelled=cancelled)
    if behavior == "mute":
        os.close(1)
        time.sleep(LONG)


def wait_for_cancel(behavior: str, commands: SimpleQueue[dict[str, str]]) -> bool:
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        try:
            if commands.get(timeout=0.1)["command"] == "cancel" and behavior != "deaf":
                return True
        except Empty:
            continue
    return False


def main(behavior: str) -> None:
    if behavior in ("no-torch", "lingers"):
        say("error", message=f"{sys.executable} has no torch: install the backend's packages", action="install")
        time.sleep(LONG if behavior == "lingers" else 0.0)
        sys.exit(2)
    if behavior == "stranger":
        sys.exit(0)
    if behavior == "silent":
        time.sleep(LONG)
    commands: SimpleQueue[dict[str, str]] = SimpleQueue()
    threading.Thread(target=listen, args=(commands,), daemon=True).start()
    say("log", text="Ready")
    while (command := commands.get())["command"] != "quit":
        if command["command"] == "fit":
            fit(behavior, command, commands)


if __name__ == "__main__":
    main(sys.argv[1])
