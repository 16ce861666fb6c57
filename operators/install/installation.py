"""Install: from nothing to a backend that was checked, step by step in a thread. It knows nothing of Blender."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...backend.job import UserError
from ..process.child import LEASH, Child, leashed_module
from ..process.worker import ADD_ON_FOLDER, backend_command
from .env_folder import BackendFolder, Marker, describe_size
from .packages import (
    DEVICES,
    PACKAGES,
    TORCH,
    Build,
    choose_build,
    cuda_packages,
    explain_failure,
    find_card,
    has_nvidia_driver,
    is_missing,
    torch_options,
    wheel_cuda_packages,
    wheel_versions,
)
from .pip_progress import PipProgress
from .pythons import VERSIONS, Python, find_python, probe
from .verdict import judge

TAIL = 6
"""Lines of the log that are shown."""

STOP_SECONDS = 1.0

_UNPACKED = 4.5
"""How many times larger packages are than their wheels, from above."""

_REMEMBERED = 60

Take = Callable[[str], bool]


@dataclass(frozen=True)
class Plan:
    """What is to be installed, and where. wheels: a folder of wheels instead of the network. index: a mirror.

    python: path of the Python to take, "" for any that is found. device: one of DEVICES.
    """

    folder: BackendFolder
    log: Path
    byte_code: Path
    wheels: Path | None = None
    index: str = ""
    python: str = ""
    device: str = DEVICES[0]


@dataclass
class State:
    """How far it is: a few words, the fraction done, MB downloaded of about how many, the log's last lines."""

    step: str = "Starting"
    fraction: float = 0.0
    done: float = 0.0
    total: float = 0.0
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    @property
    def text(self) -> str:
        """Of the progress bar."""
        if self.done and self.total and self.step.startswith(("Downloading", "Finding")):
            return f"{self.step}: {describe_size(self.done)} of about {describe_size(max(self.done, self.total))}"
        return self.step


class _Cancelled(Exception):
    """Leaves the thread."""


class Installation:
    """A running installation: a session.Task. What is complete when it is stopped stays for the next one."""

    def __init__(self, plan: Plan) -> None:
        self.state = State()
        self.works = False
        self.message = "The installation ended unexpectedly: see the log, then press Install again"
        self.action = "show_log"
        self._plan = plan
        self._pip_options: list[str] = []
        self._download_share = 0.1 if plan.wheels else 0.7  # of what pip does; the rest is unpacking
        self._unpacking = (0.0, 0.0, 0, 0)  # fractions at start and end, packages before, and to come
        self._child: Child | None = None
        self._changes = False  # whether packages are being replaced
        self._cancelled = threading.Event()
        self._lock = threading.Lock()  # a child must not be started after the last one was killed
        self._seen: tuple[str, float, str] = ("", 0.0, "")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def active(self) -> bool:
        return self._thread.is_alive()

    def update(self) -> bool:
        """Whether there is something new to show."""
        self._count_unpacked()
        lines = tail(self.state)
        seen = (self.state.text, self.state.fraction, lines[-1] if lines else "")
        changed, self._seen = seen != self._seen, seen
        return changed or not self.active

    def _count_unpacked(self) -> None:
        """pip says nothing while it unpacks: what it has come to is seen in the folder."""
        low, high, before, packages = self._unpacking
        if packages:
            done = min(packages, max(0, len(self._plan.folder.packages()) - before))
            self.state.step = f"Unpacking packages, {done} of {packages}"
            share = self._download_share + (1.0 - self._download_share) * done / packages
            self.state.fraction = max(self.state.fraction, low + (high - low) * share)

    def cancel(self) -> None:
        """Ends whatever runs, at once; the thread follows soon."""
        self._cancelled.set()
        with self._lock:
            if self._child:
                self._child.kill()

    def stop(self) -> None:
        self.cancel()
        self._thread.join(STOP_SECONDS)

    # --- the thread ---

    def _run(self) -> None:
        try:
            self._plan.log.parent.mkdir(parents=True, exist_ok=True)
            self._plan.log.write_text("", encoding="utf-8")
            self.works, self.message = self._install()
            self.action = "" if self.works else "show_log"
        except _Cancelled:
            self.message, self.action = "Cancelled: press Install to go on, what is complete is kept", "install"
        except UserError as error:
            self.message, self.action = error.message, error.action or "show_log"
        except OSError as error:
            place = error.filename or self._plan.folder.path
            self.message, self.action = f"{place} cannot be written to ({error.strerror})", "show_log"
        if not self.works:
            with contextlib.suppress(OSError):  # a full disk has just been told of
                self._note(self.message)

    def _install(self) -> tuple[bool, str]:
        plan, folder = self._plan, self._plan.folder
        folder.check_usable()
        build = self._choose_build()
        python = self._choose_python()
        self._check_space(build)
        before, packages = folder.marker, folder.packages()
        was_whole = not folder.flaw()
        try:
            self._make_environment(python)
            requirements = self._install_packages(build, python.version)
        except (_Cancelled, UserError):
            if was_whole and before is not None and not self._changes and folder.packages() == packages:
                folder.write_marker(before)  # there was no network, say: what was there works as before
            raise
        self._begin("Checking the backend against the reference", 0.96)
        command = backend_command(str(folder.interpreter), plan.byte_code, "doctor", "--json")
        code, lines = self._call(command, ADD_ON_FOLDER)
        last = next((line for line in reversed(lines) if line), f"exit code {code}")
        verdict = judge("\n".join(lines), last, has_nvidia_driver())
        if verdict.complete:
            self._finish(python, requirements)
        return verdict.works, verdict.sentence

    def _finish(self, python: Python, requirements: Sequence[str]) -> None:
        folder = self._plan.folder
        self._begin("Tidying up", 0.99)
        shutil.rmtree(folder.cache, ignore_errors=True)  # it is as large again as what was installed from it
        marker = Marker(True, python.version, python.path, folder.size(), folder.packages(), list(requirements))
        folder.write_marker(marker)
        self.state.step, self.state.fraction = "Done", 1.0

    def _choose_build(self) -> Build:
        plan = self._plan
        if plan.wheels:
            return Build((), f"The packages in {plan.wheels}")
        self._begin("Looking for a graphics card", 0.01)
        build = choose_build(find_card() if plan.device != "cpu" else None, plan.device)
        self._note(build.reason)
        return build

    def _choose_python(self) -> Python:
        plan = self._plan
        versions = wheel_versions(plan.wheels) if plan.wheels else VERSIONS
        self._begin("Looking for a Python", 0.02)
        if plan.python:
            python = probe([plan.python])
            if python is None or python.version not in versions:
                raise UserError(f"{plan.python} is no Python {' or '.join(versions)} that can make environments")
        else:
            python = find_python(versions, check=self._check)
        self._note(f"Python {python.version}: {python.path}")
        return python

    def _check_space(self, build: Build) -> None:
        download, unpacked = build.sizes
        self.state.total = download
        if self._plan.wheels:
            unpacked = int(sum(path.stat().st_size for path in self._plan.wheels.glob("*.whl")) * _UNPACKED / 1e6)
            download = self.state.total = 0
        there = self._plan.folder.size()
        self._plan.folder.check_space(max(download + unpacked - there, 0))

    def _make_environment(self, python: Python) -> None:
        folder = self._plan.folder
        self._begin("Making the environment", 0.03)
        folder.write_marker(Marker(base=python.path, python=python.version))
        if folder.version() == python.version and self._has_pip():
            folder.drop_incomplete()
            return
        command = leashed_module(python.path, "venv", "--clear", folder.env)
        self._changes = True
        code, lines = self._call(command, folder.path)
        if code:
            last = next((line for line in reversed(lines) if line), f"exit code {code}")
            raise UserError(f"The environment cannot be made with {python.path}: {last}", "show_log")

    def _has_pip(self) -> bool:
        try:
            return self._pip("--version")[0] == 0
        except (OSError, UserError):
            return False

    def _install_packages(self, build: Build, version: str) -> list[str]:
        """Installs everything, PyTorch first; the requirements that are met then."""
        plan = self._plan
        if not plan.wheels:
            self._update_pip()
        self._pip_options = self._known_options()
        if plan.wheels:
            requirements = [TORCH, *PACKAGES, *wheel_cuda_packages(plan.wheels)]
            options = ["--no-index", "--find-links", str(plan.wheels), "--no-cache-dir"]
            self._pip_install(options, requirements, version, (0.06, 0.95))
            return requirements
        variant = self._install_torch(build, version)
        rest = [*PACKAGES, *cuda_packages(variant)]
        options = ["--index-url", plan.index] if plan.index else []
        self._pip_install(options, rest, version, (0.75, 0.95))
        return [TORCH, *rest]

    def _install_torch(self, build: Build, version: str) -> str:
        """Installs the best build that the index has; its variant, which is another where pip's settings say so."""
        variants = build.variants or ("",)
        for variant in variants:
            options = torch_options(variant, self._plan.index)
            there = self._plan.folder.packages().get("torch", "").partition("+")[2]
            try:
                if there and variant and there != variant:
                    # To pip, a build for another device is as good.
                    self._pip_install([*options, "--force-reinstall", "--no-deps"], [TORCH], version, (0.06, 0.4))
                self._pip_install(options, [TORCH], version, (0.06, 0.75))
            except UserError:
                if variant == variants[-1] or not is_missing(self.state.lines):
                    raise
                self._note(f"There is no PyTorch {variant} any more")
                continue
            return self._plan.folder.packages().get("torch", "").partition("+")[2] or variant
        raise AssertionError("there is at least one variant")

    # --- pip ---

    def _pip_install(
        self, options: Sequence[str], requirements: Sequence[str], version: str, share: tuple[float, float]
    ) -> None:
        """Installs requirements. share: the fractions of the whole between which it goes on.

        Raises UserError where pip fails.
        """
        before, progress = self.state.done, PipProgress()
        low, high = share
        self._unpacking = (low, high, 0, 0)
        expected = max(1.0, self.state.total * (high - low))

        def take(line: str) -> bool:
            keep = progress.take(line)
            self.state.done = before + progress.done
            self.state.step = progress.step or self.state.step
            ahead = low + self._download_share * (high - low) * min(1.0, progress.done / expected)
            self.state.fraction = max(self.state.fraction, ahead)
            self._changes |= progress.packages > 0
            if progress.packages and not self._unpacking[3]:
                self._unpacking = (low, high, len(self._plan.folder.packages()), progress.packages)
            return keep

        common = ["--no-input", "--only-binary=:all:", "--no-user", "--no-warn-script-location"]
        code, lines = self._pip("install", *common, *self._pip_options, *options, *requirements, take=take)
        self._unpacking = (high, high, 0, 0)
        if code:
            raise UserError(explain_failure(lines, self._plan.wheels is not None, version), "show_log")

    def _pip(self, *arguments: str, take: Take | None = None) -> tuple[int, list[str]]:
        folder = self._plan.folder
        command = leashed_module(folder.interpreter, "pip", *arguments)
        settings = {"PIP_CACHE_DIR": str(folder.cache), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        if self._plan.wheels:  # the user's settings for the network would bring other folders and indexes in
            settings["PIP_CONFIG_FILE"] = os.devnull
        return self._call(command, folder.path, settings, take)

    def _update_pip(self) -> None:
        """A Python's own pip may be too old to count what it downloads, and to go on where a connection broke.

        Raises UserError where the index cannot be asked, before anything large is.
        """
        self._begin("Updating pip", 0.05)
        options = ["--upgrade", "--no-input", "--only-binary=:all:", "--retries", "1", "--progress-bar", "off"]
        index = ["--index-url", self._plan.index] if self._plan.index else []
        code, lines = self._pip("install", *options, *index, "pip")
        if code and not is_missing(lines):
            raise UserError(explain_failure(lines, False, ""), "show_log")

    def _known_options(self) -> list[str]:
        """What this pip knows: progress for programs from 24.1 on, broken downloads that go on from 25.1 on."""
        _, lines = self._pip("--version")
        found = re.match(r"pip (\d+)\.(\d+)", lines[-1] if lines else "")
        version = (int(found[1]), int(found[2])) if found else (0, 0)
        options = ["--progress-bar", "raw" if version >= (24, 1) else "off"]
        return [*options, "--resume-retries", "20"] if version >= (25, 1) else options

    # --- child processes ---

    def _call(
        self,
        command: Sequence[str | Path],
        folder: Path,
        settings: Mapping[str, str] | None = None,
        take: Take | None = None,
    ) -> tuple[int, list[str]]:
        """Runs a command to its end: its exit code, and its lines. take: told each line, says whether to keep it.

        Raises UserError where it cannot start.
        """
        with self._lock:
            self._check()
            try:
                self._child = child = Child(command, folder, settings)
            except OSError as error:
                raise UserError(f"{command[0]} cannot be started ({error.strerror})", "show_log") from error
        lines = []
        with open(self._plan.log, "a", encoding="utf-8") as log:
            log.write(f"\n$ {' '.join(str(part) for part in command if part != LEASH)}\n")
            for line in child.lines():
                if take is None or take(line):
                    lines.append(line)
                    log.write(f"{line}\n")
                    log.flush()
                    if take:
                        self.state.lines.append(line)
        code = child.wait()
        self._check()
        return code, lines

    def _begin(self, step: str, fraction: float) -> None:
        self._check()
        self.state.step, self.state.fraction = step, fraction
        self._note(step)

    def _note(self, sentence: str) -> None:
        """Into the log, the file too."""
        self.state.lines.append(sentence)
        with open(self._plan.log, "a", encoding="utf-8") as log:
            log.write(f"{sentence}\n")

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise _Cancelled


def tail(state: State) -> list[str]:
    """The last lines of the log, the latest last."""
    return [line for line in list(state.lines) if line.strip()][-TAIL:]
