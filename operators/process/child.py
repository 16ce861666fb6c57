"""Child processes: in an environment of their own, without a console window, and ended with all that they started."""

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
"""How a company's network is reached is needed by every program in it."""


def clean_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment variables for a child, by default this process's, without those by which other software would
    change which Python, packages or libraries it gets. Proxies, certificates, PATH and the like stay."""
    given = os.environ if variables is None else variables
    return {name: value for name, value in given.items() if name in _KEPT or not _is_foreign(name.upper())}


def _is_foreign(name: str) -> bool:
    return name in _FOREIGN_NAMES or name.startswith(_FOREIGN)


NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Flag of new processes, without which Windows opens a console window."""

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
"""A program that runs the module which its first argument names."""


def leashed_module(python: str | Path, module: str, *arguments: str | Path) -> list[str | Path]:
    """The command line that runs a Python's module with arguments, and ends as soon as its stdin does.

    Nothing of other software gets in: neither the user's packages nor the variables for Python.
    """
    return [python, "-I", "-X", "utf8", "-u", "-c", LEASH, module, *arguments]


def answer_of(command: Sequence[str], seconds: float = 20.0) -> str:
    """What a command writes. Raises OSError or subprocess.SubprocessError where it cannot, or takes too long."""
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
            # Nothing is ever written: its end tells the child that Blender is gone.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # Without it Windows opens a console window.
            creationflags=NO_WINDOW,
            # A group of its own, so that its children end with it.
            start_new_session=os.name == "posix",
        )

    @property
    def process_id(self) -> int:
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """Its output, a line at a time without the end, until it has ended and all is read."""
        assert self._process.stdout
        for line in self._process.stdout:
            yield line.rstrip()

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        code = self._process.wait()
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        return code

    def kill(self) -> None:
        """Ends it and all that it started, at once; harmless where it has ended."""
        if self._process.poll() is not None:
            return
        if sys.platform == "win32":
            command = ["taskkill", "/F", "/T", "/PID", str(self.process_id)]
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=5,
                    check=False,
                    creationflags=subprocess.CREATE_NO_WINDOW,
                )
            with contextlib.suppress(OSError):
                self._process.kill()
        else:
            with contextlib.suppress(OSError):
                os.killpg(self.process_id, signal.SIGKILL)
