"""The backend's own environment: made by the steps of a thread, found again, removed. It knows nothing of Blender."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..backend.job import UserError
from .packages import CUDA_PACKAGES, PACKAGES, TORCH, Plan
from .pythons import find_python
from .verdict import verdict_of
from .worker import ADD_ON_FOLDER, NO_WINDOW, backend_command, clean_environment, last_line

MARKER = "diffbmp.json"
"""File of an environment that says that it is ours, and whether it is whole."""

TAIL_LINES = 6
_REQUIREMENTS = [TORCH, *PACKAGES, *(package for group in CUDA_PACKAGES.values() for package in group)]


def environment_python(folder: Path) -> Path:
    """Where the Python of an environment in the folder is."""
    return folder / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def state_of(folder: Path) -> str:
    """Of the environment in a folder: "none", "begun", "old" = of another version of the add-on, or "whole"."""
    marker = _marker(folder)
    if marker is None:
        return "none"
    if not marker.get("whole") or not environment_python(folder).exists():
        return "begun"
    return "whole" if marker.get("requirements") == _REQUIREMENTS else "old"


def remove_environment(folder: Path) -> None:
    """Removes what was installed, and the folder if nothing else is in it. Raises UserError where that cannot be."""
    if _marker(folder) is None:
        raise UserError(f"{folder} holds no environment of DiffBMP: nothing is removed")
    try:
        # The marker goes last: what could not be removed is still known to be ours.
        for name in ("venv", "cache", "temporary"):
            if (folder / name).exists():
                shutil.rmtree(folder / name)
        (folder / MARKER).unlink()
        with suppress(OSError):
            folder.rmdir()
    except OSError as error:
        raise UserError(f"{folder} cannot be removed ({error.strerror}): end the programs that use it") from error


class Installation:
    """Makes the environment in a folder; what an earlier try has downloaded is used. See session.Task.

    step: what it does now. tail: the latest lines of the log. megabytes: written so far. verdict: of the backend's own
    check, "" where it did not come to that. failure: None while all is well.
    """

    def __init__(self, folder: Path, log: Path, cache: Path, planned: Callable[[], Plan]) -> None:
        """cache: folder for byte code. planned makes the plan, which may take seconds."""
        self.folder, self.step, self.verdict = folder, "Looking at this machine", ""
        self.plan: Plan | None = None
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.megabytes = 0.0
        self.failure: UserError | None = None
        self.cancelled = False
        self._planned, self._log, self._cache = planned, log, cache
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._told = ("", 0.0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        threading.Thread(target=self._weigh, daemon=True).start()

    @property
    def active(self) -> bool:
        return self._thread.is_alive()

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1, about."""
        return min(0.99, self.megabytes / self.plan.disk) if self.plan else 0.0

    def update(self) -> bool:
        """Whether there is anything new to be shown."""
        before, self._told = self._told, (self.step + "".join(self.tail), self.megabytes)
        return before != self._told

    def stop(self) -> None:
        """Ends it within a second; what has been downloaded stays."""
        self.cancelled = True
        with self._lock:
            if self._process is not None:
                _kill_tree(self._process)
        self._thread.join(1.0)

    def _run(self) -> None:
        try:
            with open(self._log, "w", encoding="utf-8") as log:
                self._install(log)
        except UserError as error:
            self.failure = error
        except OSError as error:
            self.failure = UserError(
                f"{self.folder} cannot be written to ({error.strerror}): see that there is space, or choose another"
            )
        finally:
            self._done.set()

    def _install(self, log: Any) -> None:
        self.plan = plan = self._planned()
        self._check_space(plan)
        if state_of(self.folder) == "none" and self.folder.exists() and any(self.folder.iterdir()):
            raise UserError(f"{self.folder} holds other things: choose a new or an empty folder for the environment")
        self.folder.mkdir(parents=True, exist_ok=True)
        python = environment_python(self.folder)
        same = (_marker(self.folder) or {}).get("calls") == plan.calls
        self._mark(plan, whole=False)
        if not (same and self._works(python, plan.versions)):
            self.step = "Looking for a Python"
            found = find_python(plan.versions)
            shutil.rmtree(self.folder / "venv", ignore_errors=True)
            self._call(f"Making an environment with Python {found.version}", log, found.path, "-m", "venv", "venv")
        (self.folder / "temporary").mkdir(exist_ok=True)
        pip = ["-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-warn-script-location"]
        pip += ["--progress-bar", "off", "--cache-dir", "cache"]
        for arguments in plan.calls:
            self._call("Installing PyTorch" if TORCH in arguments else "Installing", log, str(python), *pip, *arguments)
        self._verify(str(python), log)
        self._mark(plan, whole=True)
        for name in ("cache", "temporary"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _check_space(self, plan: Plan) -> None:
        place = self.folder
        while not place.exists():
            place = place.parent
        free = shutil.disk_usage(place).free / 1e6 + _weight(self.folder)
        if free < plan.disk:
            raise UserError(
                f"The backend needs about {plan.disk / 1000:.1f} GB, but {place} has {free / 1000:.1f} GB free: "
                "choose another folder for the environment"
            )

    def _works(self, python: Path, versions: tuple[str, ...]) -> bool:
        """Whether an earlier try has left a Python to go on with."""
        try:
            code = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
            answer = subprocess.run(
                [python, "-I", "-c", code], capture_output=True, text=True, timeout=30, creationflags=NO_WINDOW
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return answer.returncode == 0 and answer.stdout.strip() in versions

    def _call(self, step: str, log: Any, *command: str) -> None:
        """Runs a command in the environment's folder. Raises UserError where it fails or all is cancelled."""
        self.step = step
        self._launch([*command], self.folder, subprocess.STDOUT)
        process = self._process
        assert process is not None
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            log.flush()
            self._take(line.strip())
        code = process.wait()
        self._check_cancelled()
        if code:
            raise UserError(f"{step} failed: {_reason(self.tail) or f'exit code {code}'}", "show_log")

    def _launch(self, command: list[str], folder: Path, errors: Any) -> None:
        temporary = self.folder / "temporary"
        places = {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")} if temporary.exists() else {}
        with self._lock:
            self._check_cancelled()
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**clean_environment(), **places},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
                creationflags=NO_WINDOW,
                start_new_session=sys.platform != "win32",
            )

    def _take(self, line: str) -> None:
        if not line:
            return
        self.tail.append(line)
        if line.startswith(("Downloading ", "Using cached ", "Installing collected")):
            self.step = line.partition(":")[0] if line.startswith("Installing") else line

    def _verify(self, python: str, log: Any) -> None:
        self.step = "Comparing the engines with the reference"
        self._launch(backend_command(python, self._cache, "doctor", "--json"), ADD_ON_FOLDER, log)
        assert self._process is not None
        output, _ = self._process.communicate()
        self._check_cancelled()
        works, self.verdict = verdict_of(output, last_line(self._log) or f"exit code {self._process.returncode}")
        if not works:
            raise UserError(self.verdict, "show_log")

    def _check_cancelled(self) -> None:
        if self.cancelled:
            raise UserError("Cancelled: what has been downloaded is kept, Install goes on from there")

    def _mark(self, plan: Plan, whole: bool) -> None:
        text = json.dumps({"whole": whole, "requirements": _REQUIREMENTS, "calls": plan.calls})
        aside = self.folder / f".{MARKER}"
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, self.folder / MARKER)

    def _weigh(self) -> None:
        while not self._done.wait(1.0):
            self.megabytes = _weight(self.folder)


def _marker(folder: Path) -> dict[str, Any] | None:
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) else None


def _weight(folder: Path) -> float:
    """MB of all files in a folder; those that vanish meanwhile do not count."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total / 1e6


def _reason(tail: deque[str]) -> str:
    """The line that says why, of the latest."""
    errors = [line for line in tail if line.startswith("ERROR")]
    line = errors[-1] if errors else next(reversed(tail), "")
    return line.removeprefix("ERROR:").strip()


def _kill_tree(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False, creationflags=NO_WINDOW)
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
