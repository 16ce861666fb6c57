"""Command lines in forked children, which count their file operations, and can be killed at any of them.

The parent has imported all that they need, so that a child takes a fraction of a second; it never computes anything
itself, as a fork of a process with threads may hang.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import backend.runs.clip
import backend.runs.picture  # imported once, for all children
from backend.__main__ import main
from backend.job import files, written_aside

torch.set_num_threads(1)

CHANGES = {
    *("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.link", "os.symlink", "os.truncate"),
    *("tempfile.mkstemp", "tempfile.mkdtemp", "shutil.rmtree", "shutil.copytree", "shutil.copyfile", "exchange"),
}
"""Audit events of what changes files, apart from opening one to write."""


@dataclass(frozen=True)
class Ended:
    """How a child has ended. status: its exit status, negative = the signal. operations: that it has done."""

    status: int
    operations: int
    stderr: str


def run(command: tuple[str, ...], folder: Path, kill_at: int = 0, in_steps: bool = False) -> Ended:
    """Runs a command line in a child whose current folder this is.

    kill_at: the operation before which it kills itself, from 1; 0 = never. in_steps: no folders are exchanged at once.
    """
    count_in, count_out = os.pipe()
    words_in, words_out = os.pipe()
    child = os.fork()
    if not child:
        os.close(count_in)
        os.close(words_in)
        _work(command, folder, kill_at, in_steps, count_out, words_out)
    os.close(count_out)
    os.close(words_out)
    with os.fdopen(words_in, errors="replace") as words, os.fdopen(count_in, "rb") as counts:
        stderr, operations = words.read(), len(counts.read())
    _, status = os.waitpid(child, 0)
    return Ended(os.waitstatus_to_exitcode(status), operations, stderr)


def _work(command: tuple[str, ...], folder: Path, kill_at: int, in_steps: bool, counts: int, words: int) -> None:
    status = 1
    try:
        os.chdir(folder)
        os.dup2(words, 2)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
        sys.stdout = io.StringIO()
        backend.runs.clip.plot_metrics = _small_plot  # a real one takes a second
        swap = files._swap
        files._swap = (lambda *_: False) if in_steps else lambda *names: _audited(swap, *names)
        _count(counts, kill_at)
        status = main(list(command))
    finally:
        if sys.exc_info()[0]:
            traceback.print_exc()  # the parent reads it
        os._exit(status)


def _audited(swap: Callable[..., bool], *names: Path) -> bool:
    sys.audit("exchange")
    return swap(*names)


def _small_plot(metrics: dict[str, Any], frames: list[int], cuts: list[int], path: Path) -> None:
    with written_aside(path, parents=False) as aside:
        aside.write_bytes(b"a plot")


def _count(counts: int, kill_at: int) -> None:
    """Writes a byte before each operation on files, and kills this process at one."""
    done = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        if event in CHANGES or (event == "open" and _writes(arguments)):
            done += 1
            if done == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(counts, b".")

    sys.addaudithook(watch)


def _writes(arguments: tuple[Any, ...]) -> bool:
    path, _, flags = arguments
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) and path != os.devnull
