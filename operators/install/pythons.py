"""Finds the Pythons of this computer that can make a virtual environment. It knows nothing of Blender.

Probing starts processes, so call it in a thread.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...backend.job import Action, UserError
from ..process.child import answer_of

VERSIONS = ("3.13", "3.11", "3.12", "3.14")
"""Python versions that run the backend, best tested first."""

_WINDOWS = sys.platform == "win32"

# "find_spec" of ensurepip would not do: Debian leaves the module and takes away what it installs.
_PROBE = """
import json, sys, sysconfig, venv, ensurepip
usable = sys.maxsize > 2**32 and not sysconfig.get_config_var("Py_GIL_DISABLED") and bool(ensurepip.version())
print(json.dumps(["%d.%d" % sys.version_info[:2], getattr(sys, "_base_executable", None) or sys.executable, usable]))
"""

_PLACES = (  # of uv, pyenv, Homebrew and the installers, in case these are not on the path
    "$UV_PYTHON_INSTALL_DIR/cpython-{version}*/bin/python{version}",
    "~/.local/share/uv/python/cpython-{version}*/bin/python{version}",
    "~/AppData/Roaming/uv/python/cpython-{version}*/python.exe",
    "$PYENV_ROOT/versions/{version}.*/bin/python{version}",
    "~/.pyenv/versions/{version}.*/bin/python{version}",
    "~/.pyenv/pyenv-win/versions/{version}.*/python.exe",
    "~/AppData/Local/Programs/Python/Python{digits}/python.exe",
    "C:/Program Files/Python{digits}/python.exe",
    "/opt/homebrew/bin/python{version}",
    "/usr/local/bin/python{version}",
    "/usr/bin/python{version}",
    "/Library/Frameworks/Python.framework/Versions/{version}/bin/python{version}",
)


@dataclass(frozen=True)
class Python:
    """An interpreter that can make environments. version: as "3.11"."""

    path: str
    version: str


def find_python(
    versions: Sequence[str] = VERSIONS,
    commands: Iterable[Sequence[str]] | None = None,
    check: Callable[[], None] = lambda: None,
) -> Python:
    """Finds the first Python of one of the versions. commands: may start one, by default `candidates(versions)`.

    check: called between the probes, and may raise to end the search. Raises UserError where there is none.
    """
    for command in candidates(versions) if commands is None else commands:
        check()
        python = probe(command)
        if python and python.version in versions:
            return python
    raise UserError(
        f"Python {' or '.join(sorted(versions, key=_number))} is needed and was not found: install it from python.org "
        "or with your system's packages (on Debian and Ubuntu python3-venv too), then press Install again",
        Action.INSTALL,
    )


def candidates(versions: Sequence[str]) -> Iterator[list[str]]:
    """Yields commands that may start a Python of one of the versions, Blender's own first. Some may fail."""
    seen = set()
    for command in _places(versions):
        if tuple(command) not in seen:
            seen.add(tuple(command))
            yield command


def _places(versions: Sequence[str]) -> Iterator[list[str]]:
    if sys.executable:
        yield [sys.executable]
    for version in versions:
        for place in _PLACES:
            pattern = place.format(version=version, digits=version.replace(".", ""))
            for found in sorted(glob.glob(os.path.expandvars(os.path.expanduser(pattern))), reverse=True):
                yield [found]
    for name in (*(f"python{version}" for version in versions), "python3", "python"):
        for folder in os.get_exec_path():
            path = Path(folder, f"{name}.exe" if _WINDOWS else name)
            if path.is_file():
                yield [str(path)]
    if _WINDOWS and (launcher := shutil.which("py")):
        for version in versions:
            yield [launcher, f"-{version}"]


def probe(command: Sequence[str]) -> Python | None:
    """Returns the Python that a command starts, or that its environment was made with; None if it cannot make any."""
    try:
        version, path, usable = json.loads(answer_of([*command, "-I", "-c", _PROBE]))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Python(str(path), str(version)) if usable else None


def _number(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
