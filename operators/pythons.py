"""The Pythons of this machine that can make the backend's environment."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..backend.job import UserError
from .worker import NO_WINDOW, clean_environment

VERSIONS = ("3.11", "3.12", "3.13")
"""Those that the backend runs with, and for which its packages exist."""

_PROBE = "import ensurepip, json, sys, venv; print(json.dumps(['%d.%d' % sys.version_info[:2], sys.executable]))"
_PROBE_SECONDS = 20.0
_PLACES = (  # of uv, pyenv, Homebrew, Linux and the installers, for those that are not on the path
    "~/.local/share/uv/python/cpython-{version}*/bin/python{version}",
    "~/AppData/Roaming/uv/python/cpython-{version}*/python.exe",
    "~/.pyenv/versions/{version}.*/bin/python{version}",
    "~/.pyenv/pyenv-win/versions/{version}.*/python.exe",
    "~/AppData/Local/Programs/Python/Python{digits}/python.exe",
    "C:/Program Files/Python{digits}/python.exe",
    "/Library/Frameworks/Python.framework/Versions/{version}/bin/python{version}",
    "/opt/homebrew/bin/python{version}",
    "/usr/local/bin/python{version}",
    "/usr/bin/python{version}",
)


@dataclass(frozen=True)
class Interpreter:
    path: str
    version: str  # as in VERSIONS


def find_python(versions: Sequence[str] = VERSIONS) -> Interpreter:
    """The first that works and has one of these versions: Blender's own, then the others of this machine.

    Takes seconds where many are tried. Raises UserError where there is none.
    """
    for path in _candidates(versions):
        found = _probed(path)
        if found is not None and found.version in versions:
            return found
    named = versions[0] if len(versions) == 1 else f"{', '.join(versions[:-1])} or {versions[-1]}"
    raise UserError(
        f"No Python {named} was found that can make an environment: install one from python.org (on Linux with its "
        "packages venv and pip), or choose another Python in the add-on's preferences"
    )


def _candidates(versions: Sequence[str]) -> Iterator[str]:
    """Paths that may be Pythons, the likeliest first, each once."""
    seen: set[str] = set()
    for path in _places(versions):
        if path not in seen:
            seen.add(path)
            yield path


def _places(versions: Sequence[str]) -> Iterator[str]:
    yield sys.executable
    for version in versions:
        for name in (f"python{version}", "python3", "python"):
            if found := shutil.which(name):
                yield found
        digits = version.replace(".", "")
        for place in _PLACES:
            pattern = os.path.expanduser(place.format(version=version, digits=digits))
            yield from sorted(glob.glob(pattern), reverse=True)


def _probed(path: str) -> Interpreter | None:
    """What the program at the path is; None where it is no Python that can make an environment."""
    try:
        answer = subprocess.run(
            [path, "-I", "-c", _PROBE],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_PROBE_SECONDS,
            check=True,
            env=clean_environment(),
            creationflags=NO_WINDOW,
        )
        version, executable = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Interpreter(executable or path, version)
