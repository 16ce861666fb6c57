"""Child processes: with a clean environment, without a console window, and killed with all that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_FOREIGN = ("PYTHON", "PIP_", "CONDA", "DYLD_", "UV_", "LD_LIBRARY_PATH", "LD_PRELOAD", "LD_AUDIT")
_FOREIGN_NAMES = {"VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "__PYVENV_LAUNCHER__"}
_KEPT = {"PIP_CERT", "PIP_CLIENT_CERT", "PIP_PROXY"}
"""Variables of pip that it needs in a company's network."""


def clean_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns environment variables, by default this process's, without those that change a child's Python, packages
    or libraries. Proxies, certificates, PATH and the like stay."""
    given = os.environ if variables is None else variables
    return {name: value for name, value in given.items() if name in _KEPT or not _is_foreign(name.upper())}


def _is_foreign(name: str) -> bool:
    return name in _FOREIGN_NAMES or name.startswith(_FOREIGN)


NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Flag of new processes that keeps Windows from opening a console window."""

LEASH = """
import os, runpy, sys, threading
def leave():
    while os.read(0, 1):
        pass
    os._exit(1)
threading.Thread(target=leave, daemon=True).start()
sys.argv[0] = sys.argv.pop(1)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""A program that runs the module that its first argument names, and ends as soon as its stdin does."""


def leashed_module(python: str | Path, module: str, *arguments: str | Path) -> list[str | Path]:
    """Returns the command line that runs a Python's module with arguments, and ends as soon as its stdin does.

    Neither the user's packages nor the variables for Python reach it.
    """
    return [python, "-I", "-X", "utf8", "-u", "-c", LEASH, module, *arguments]


def answer_of(command: Sequence[str], seconds: float = 20.0) -> str:
    """Returns what a command writes. Raises OSError or subprocess.SubprocessError where it fails or takes too long."""
    return subprocess.run(
        command,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        check=True,
        creationflags=NO_WINDOW,
    ).stdout


class Child:
    """A running command whose output, stderr included, is read line by line by one thread; any other may kill it."""

    def __init__(self, command: Sequence[str | Path], folder: Path, extra: Mapping[str, str] | None = None) -> None:
        """Starts the command in a folder, with extra environment variables. Raises OSError where it cannot start."""
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env={**clean_environment(), **(extra or {})},
            # Nothing is written to it: its end tells the child that Blender has ended.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            creationflags=NO_WINDOW,
            # A group of its own, so that its children end with it.
            start_new_session=os.name == "posix",
        )

    @property
    def process_id(self) -> int:
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """Yields its output, a line at a time without the line break, until it has ended."""
        assert self._process.stdout
        for line in self._process.stdout:
            yield line.rstrip()

    def wait(self) -> int:
        """Waits until it ends. Returns its exit code."""
        code = self._process.wait()
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        return code

    def kill(self) -> None:
        """Ends it and all that it started, at once, if it still runs."""
        if self._process.poll() is not None:
            return
        if sys.platform == "win32":
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                answer_of(["taskkill", "/F", "/T", "/PID", str(self.process_id)], seconds=5.0)
            with contextlib.suppress(OSError):
                self._process.kill()
        else:
            with contextlib.suppress(OSError):
                os.killpg(self.process_id, signal.SIGKILL)
