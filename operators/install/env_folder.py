"""The folder of the backend's own environment: its contents, its state and its removal.

env/            the virtual environment
cache/          pip's downloads, until all is installed
diffbmp.json    the marker: written first, and marked as whole at the end
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...backend.job import UserError

LONG_PATH = 80
"""Length of a folder's path from which files in it may exceed Windows' limit of 260 characters."""

_WINDOWS = sys.platform == "win32"


@dataclass(frozen=True)
class Marker:
    """What is installed. python: its version. base: path of the Python that made it. size: MB on the disk.

    packages: version of each. requirements: those of pip. lock: digest of the locks, "" where the newest versions or a
    folder of wheels were installed.
    """

    whole: bool = False
    python: str = ""
    base: str = ""
    size: int = 0
    packages: dict[str, str] = field(default_factory=dict)
    requirements: list[str] = field(default_factory=list)
    lock: str = ""


@dataclass(frozen=True)
class BackendFolder:
    """The folder of the backend's own environment, which need not exist."""

    path: Path

    @property
    def env(self) -> Path:
        return self.path / "env"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    @property
    def interpreter(self) -> Path:
        """Path of the environment's Python."""
        return self.env / ("Scripts/python.exe" if _WINDOWS else "bin/python")

    @property
    def marker(self) -> Marker | None:
        """What is installed, completely or not; None where the folder has no environment of the add-on."""
        try:
            data: dict[str, Any] = json.loads((self.path / "diffbmp.json").read_text(encoding="utf-8"))
            return Marker(**data)
        except (OSError, ValueError, TypeError):
            return None

    def write_marker(self, marker: Marker) -> None:
        """Writes the marker. Raises OSError where the folder cannot be written to."""
        self.path.mkdir(parents=True, exist_ok=True)
        aside = self.path / "diffbmp.json.new"
        aside.write_text(json.dumps(asdict(marker), indent=1), encoding="utf-8")
        os.replace(aside, self.path / "diffbmp.json")

    def flaw(self) -> str:
        """Says why the environment cannot be used, "" if it can."""
        marker = self.marker
        if marker is None:
            return "Nothing is installed: press Install in the add-on's preferences"
        if not marker.whole:
            return "The backend's installation is not complete: press Install in the add-on's preferences"
        if not Path(marker.base).exists():
            return f"The backend's Python {marker.base} is gone: press Install in the add-on's preferences"
        if not self.interpreter.exists():
            return "The backend's environment is damaged: press Install in the add-on's preferences"
        return ""

    def check_usable(self) -> None:
        """Raises UserError where the folder holds other files, so that no environment may be made in it."""
        try:
            taken = self.path.exists() and self.marker is None and any(self.path.iterdir())
        except OSError as error:
            raise UserError(f"The folder {self.path} cannot be read ({error.strerror}): choose another") from error
        if taken:
            raise UserError(f"The folder {self.path} holds other files: choose an empty one for the backend")

    def check_space(self, needed: int) -> None:
        """Raises UserError where the folder's disk has less than `needed` MB."""
        place = next((place for place in (self.path, *self.path.parents) if place.exists()), self.path)
        try:
            free = shutil.disk_usage(place).free // 10**6
        except OSError as error:
            raise UserError(f"The folder {self.path} cannot be reached ({error.strerror}): choose another") from error
        if free < needed:
            raise UserError(
                f"The disk of {self.path} has {describe_size(free)} free, and {describe_size(needed)} are needed: "
                "make room, or choose another folder"
            )

    def version(self) -> str:
        """Returns the Python version of the environment, as "3.11"; "" where there is none."""
        try:
            text = (self.env / "pyvenv.cfg").read_text(encoding="utf-8")
        except OSError:
            return ""
        found = re.search(r"^version\s*=\s*(\d+\.\d+)", text, re.MULTILINE)
        return found[1] if found else ""

    def packages(self) -> dict[str, str]:
        """Returns the version of each package in the environment by name."""
        names = (path.name.removesuffix(".dist-info") for path in self._site_packages("*.dist-info"))
        return dict(sorted((name.rpartition("-")[0], name.rpartition("-")[2]) for name in names))

    def drop_incomplete(self) -> None:
        """Deletes packages that pip has not finished: it writes RECORD last, but does not check for it."""
        for info in self._site_packages("*.dist-info"):
            if not (info / "RECORD").is_file():
                shutil.rmtree(info, ignore_errors=True)
        for leftover in self._site_packages("~*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _site_packages(self, pattern: str) -> Iterator[Path]:
        return self.env.glob(f"{'Lib' if _WINDOWS else 'lib/python*'}/site-packages/{pattern}")

    def size(self) -> int:
        """Returns the environment's size, MB. Takes a second or more."""
        total = 0
        for folder, _, files in os.walk(self.env):
            for name in files:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    total += os.path.getsize(path)
        return total // 10**6

    def remove(self) -> None:
        """Deletes the environment, and the folder if nothing else is in it. Takes seconds.

        Raises UserError where it is not the add-on's, or in use.
        """
        marker = self.marker
        if marker is None:
            raise UserError(f"The folder {self.path} holds no environment of the add-on: nothing is removed")
        try:
            # Not whole from here on, even if the deletion fails midway.
            self.write_marker(Marker())
            for folder in (self.env, self.cache):
                if folder.exists():
                    shutil.rmtree(folder)
            (self.path / "diffbmp.json").unlink()
            if not any(self.path.iterdir()):
                self.path.rmdir()
        except OSError as error:
            raise UserError(
                f"{error.filename or self.path} cannot be removed ({error.strerror}): close programs that use "
                "it, then press Remove again"
            ) from error


def describe_size(megabytes: float) -> str:
    """Describes a size, as "340 MB" or "2.9 GB"."""
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"
