"""Runs pip, and reads its output as progress and causes of failure. It knows nothing of Blender."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from ...backend.job import Action, UserError
from ..process.child import leashed_module
from .calls import Calls, State, Take
from .env_folder import BackendFolder
from .lock import lock_options
from .packages import Plan, index_options

_SIZES = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}


_NONE = " "
"""What empties a list of pip's configuration files: pip ignores an empty text."""


class PipProgress:
    """Follows pip's progress by the lines that it writes.

    done: MB downloaded, cached ones included. step: what pip does, in a few words. packages: how many it unpacks, 0
    until then.
    """

    def __init__(self) -> None:
        self.step = ""
        self.packages = 0
        self._finished = 0.0
        self._size = 0.0
        self._part = 0.0

    @property
    def done(self) -> float:
        return self._finished + self._part

    def take(self, line: str) -> bool:
        """Reads a line. Returns whether to keep it: counters are dropped."""
        text = line.strip()
        if raw := re.fullmatch(r"Progress (\d+) of (\d+)", text):
            self._part = int(raw[1]) / 1e6
            return False
        if named := re.match(r"(Downloading|Using cached) (\S+?)\s*\((\d[\d.]*) (bytes|kB|MB|GB)\)", text):
            self._finish()
            self._size = float(named[3]) * _SIZES[named[4]]
            self.step = f"Downloading {_name(named[2])}"
            if named[1] == "Using cached":
                self._finish()
        elif text.startswith("Installing collected packages:"):
            self._finish()
            self.packages = len(text.partition(":")[2].split(","))
            self.step = f"Unpacking {self.packages} packages"
        elif found := re.match(r"(?:Processing|Collecting) (\S+)", text):
            self.step = f"Finding {_name(found[1])}"
        return True

    def _finish(self) -> None:
        self._finished += self._size
        self._size = self._part = 0.0


def _name(source: str) -> str:
    """A package's name, from the path of its wheel or a requirement."""
    file = re.split(r"[/\\]", source)[-1]
    return file.split("-")[0] if ".whl" in file else re.split(r"[<>=!~\[;]", file)[0]


class PipRun:
    """One run of pip as a part of the whole installation. share: the whole's fractions at its start and end.

    downloading: the download's fraction of that; the rest is unpacking.
    """

    def __init__(self, state: State, folder: BackendFolder, share: tuple[float, float], downloading: float) -> None:
        self._state, self._folder = state, folder
        self._low, self._width = share[0], share[1] - share[0]
        self._downloading = downloading
        self._progress = PipProgress()
        self._before = state.done
        self._expected = max(1.0, state.total * self._width)
        self._there: int | None = None  # packages before it unpacks

    def take(self, line: str) -> bool:
        """Reads a line of pip's. Returns whether to keep it."""
        state, progress = self._state, self._progress
        keep = progress.take(line)
        state.done = self._before + progress.done
        state.step = progress.step or state.step
        self._advance(self._downloading * min(1.0, progress.done / self._expected))
        if progress.packages and self._there is None:
            state.replaces = True
            self._there = len(self._folder.packages())
        return keep

    def count_unpacked(self) -> None:
        """Counts the unpacked packages in the folder: pip is silent meanwhile."""
        if self._there is None:
            return
        packages = self._progress.packages
        done = min(packages, max(0, len(self._folder.packages()) - self._there))
        self._state.step = f"Unpacking packages, {done} of {packages}"
        self._advance(self._downloading + (1.0 - self._downloading) * done / packages)

    def _advance(self, part: float) -> None:
        self._state.fraction = max(self._state.fraction, self._low + self._width * part)


class Pip:
    """The pip of a plan's environment."""

    def __init__(self, plan: Plan, calls: Calls) -> None:
        self._plan, self._calls = plan, calls
        self._downloading = 0.1 if plan.wheels else 0.7
        self._run: PipRun | None = None

    def update(self) -> None:
        """Counts what is being unpacked; called from any thread."""
        run = self._run
        if run is not None:
            run.count_unpacked()

    def version(self) -> tuple[int, int]:
        """Returns pip's version among its warnings, as (24, 1); (0, 0) where it does not run."""
        try:
            code, lines = self._call("--version")
        except (OSError, UserError):
            return 0, 0
        found = re.search(r"^pip (\d+)\.(\d+)", "\n".join(lines), re.MULTILINE)
        return (int(found[1]), int(found[2])) if found and not code else (0, 0)

    def renew(self) -> None:
        """Brings pip to the tested version, or the newest: a Python's own may be too old to resume downloads.

        Raises UserError where the index cannot be reached, before anything large is downloaded.
        """
        options = ["--no-input", "--only-binary=:all:", "--retries", "1", "--progress-bar", "off"]
        wanted = ["--upgrade", "pip"] if self._plan.newest else lock_options("pip")
        code, lines = self._call("install", *options, *index_options(self._plan.index), *wanted)
        if code and not is_missing(lines):
            raise UserError(explain_failure(lines, False, ""), Action.SHOW_LOG)

    def install(
        self, options: Sequence[str], requirements: Sequence[str], python: str, share: tuple[float, float]
    ) -> None:
        """Installs requirements for a version of Python. share: see PipRun. Raises UserError where pip fails."""
        self._run = PipRun(self._calls.state, self._plan.folder, share, self._downloading)
        common = ["--no-input", "--only-binary=:all:", "--no-user", "--no-warn-script-location", *self._known_options]
        code, lines = self._call("install", *common, *options, *requirements, take=self._run.take)
        self._run = None
        if code:
            raise UserError(explain_failure(lines, self._plan.wheels is not None, python), Action.SHOW_LOG)

    @cached_property
    def _known_options(self) -> list[str]:
        """Options that this pip knows: raw progress from 24.1 on, resumed downloads from 25.1 on."""
        version = self.version()
        options = ["--progress-bar", "raw" if version >= (24, 1) else "off"]
        return [*options, "--resume-retries", "20"] if version >= (25, 1) else options

    def _call(self, *arguments: str, take: Take | None = None) -> tuple[int, list[str]]:
        folder = self._plan.folder
        settings = {"PIP_CACHE_DIR": str(folder.cache), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        if self._plan.wheels:  # the user's settings could add other folders and indexes
            settings["PIP_CONFIG_FILE"] = os.devnull
        elif "--index-url" in arguments:  # nothing may be added to it; certificates and proxies stay
            settings |= {"PIP_EXTRA_INDEX_URL": _NONE, "PIP_FIND_LINKS": _NONE}
        return self._calls.run(leashed_module(folder.interpreter, "pip", *arguments), folder.path, settings, take)


def explain_failure(lines: Sequence[str], wheels: bool, version: str) -> str:
    """Returns a sentence for the lines that pip wrote before it failed. wheels: whether it used a folder of wheels."""
    text = "\n".join(lines)
    missing = re.search(r"No matching distribution found for ([^\s(;<>=!~,]+)", text)
    for pattern, sentence in _CAUSES:
        if re.search(pattern, text, re.IGNORECASE):
            return sentence
    if missing:
        if wheels:
            return f"The wheel folder has no {missing[1]} for Python {version}: add it and all that it needs"
        return f"The package index has no {missing[1]} for Python {version} on this system: use another Python"
    told = [line for line in lines if line.startswith("ERROR:")]
    last = (told or [line for line in lines if line.strip()] or ["it wrote nothing"])[-1].removeprefix("ERROR:").strip()
    return f"pip failed: {last}"


def is_missing(lines: Iterable[str]) -> bool:
    """Returns whether pip failed because the index has no such package, and not for a known other cause."""
    text = "\n".join(lines)
    unheard = any(re.search(pattern, text, re.IGNORECASE) for pattern, _ in _CAUSES)
    return "No matching distribution found" in text and not unheard


_CAUSES = (
    (
        r"No space left on device|Errno 28\b|not enough space on the disk",
        "The disk is full: make room, or choose another folder, then press Install again",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "The package index's certificate is not accepted: set SSL_CERT_FILE to your company's certificates, or choose "
        "a folder of wheels",
    ),
    (r"ProxyError|407 Proxy", "The proxy refuses the connection: check HTTPS_PROXY, or choose a folder of wheels"),
    (
        r"NewConnectionError|ConnectTimeout|ReadTimeout|NameResolutionError|Temporary failure in name resolution"
        r"|Network is unreachable|Connection refused|ConnectionResetError|Connection broken|Read timed out",
        "The package index cannot be reached: check the network, then press Install again to resume",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "A package differs from the one that was tested, and is not installed: press Install again, or choose another "
        "package index",
    ),
    (r"BadZipFile|is invalid.*wheel", "A package arrived damaged: press Install again"),
    (
        r"WinError 206|file ?name or extension is too long|Errno 36\b|File name too long",
        "A path is too long for this system: choose a shorter folder, such as C:\\DiffBMP",
    ),
    (
        r"WinError 5\b|WinError 32\b|Access is denied|Permission denied|Errno 13\b",
        "A file cannot be written: close programs that use the folder, and check its permissions",
    ),
)
