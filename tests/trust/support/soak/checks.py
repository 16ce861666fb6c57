"""What must hold after each step of a soak."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from diffbmp.backend.job.layout import Layout
from diffbmp.operators.blender.folders import KEPT_JOBS, user_folder
from diffbmp.operators.process.warm_worker import WARM
from diffbmp.operators.session.logs import KEPT_LOGS, latest_log
from diffbmp.operators.session.slots import EXPORT, RUN

from tests.trust.support import machine
from tests.trust.support.soak import stage

QUIET_STEPS = 20
"""Steps from one look at what Blender holds to the next."""
WARM_UP = 60
"""Steps until Blender holds all that it ever needs."""
MORE = {"fds": 3, "threads": 3}
"""What may come on top without being called growth: Blender's own come and go."""
HIDDEN = re.compile(r"[/\\]\.[^/\\\s:]+-\w{6,}")
"""A temporary path of the project's."""


class Violation(Exception):
    """Something that must never be."""


class Checks:
    """Remembers what was there, and raises Violation where it is not so any more. folder: of the whole soak."""

    def __init__(self, folder: Path) -> None:
        self._errors, self._temporary = folder / "stderr.txt", folder / "temporary"
        self.user = folder / "user"
        self.base = stage.names()
        self._artist = stage.fingerprints(self.base)
        self._results = dict[Path, tuple[int, dict[str, str]]]()
        self._jobs = 0
        self._files = dict[Path, str]()
        self._held = dict[str, int]()
        self._litter = set[str]()

    def sentence(self, text: str) -> str:
        """Checks a message for the user, and returns it."""
        text = text.strip().removeprefix("Error: ")
        if not text or "\n" in text or "Traceback" in text or len(text) > 700:
            raise Violation(f"not one sentence: {text[:2000]!r}")
        if HIDDEN.search(text):
            raise Violation(f"names a hidden path: {text}")
        return text

    def makes_job(self) -> None:
        """To be called before each job: the oldest of too many is deleted."""
        self._jobs += 1

    def keep(self, result: Path) -> None:
        """Takes note of a finished result, which stays as it is until there are too many jobs."""
        self.valid(result)
        self._results[result] = (self._jobs, machine.contents(result))

    def valid(self, result: Path) -> Layout:
        """Checks that a folder holds a whole layout."""
        layout = Layout.load(result)
        missing = [spec.file for spec in layout.templates if not Path(spec.file).is_file()]
        if missing:
            raise Violation(f"{result} lacks {missing[0]}")
        return layout

    def own_file(self, path: Path) -> None:
        """Takes note of a file of the user, or one exported: it changes only where this is called again."""
        self._files[path] = _digest(path)

    def same_file(self, path: Path) -> None:
        """Checks that nothing has changed since own_file, or that there still is nothing."""
        if _digest(path) != self._files.get(path, ""):
            raise Violation(f"{path} was changed by an export that was not finished")

    def no_hidden(self, folder: Path) -> None:
        """Checks that nothing hidden was left in a folder, after a run there that was not interrupted."""
        left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
        if left:
            raise Violation(f"{folder} still has {left[0]} after the next run")

    def only_base(self) -> None:
        """Checks that nothing is left of results that were removed."""
        for kind, found in stage.names().items():
            if left := found - self.base[kind]:
                raise Violation(f"{kind} of a removed result are left: {sorted(left)[:5]}")

    def has_ended(self, process: int) -> None:
        """Checks that a worker that was stopped is gone."""
        if process in machine.processes_with(f"TMPDIR={self._temporary}"):
            raise Violation("the worker outlives a stop")

    def after(self, number: int) -> None:
        """Checks all that must hold after any step. number: how many were done before."""
        if RUN.task is not None or EXPORT.task is not None:
            raise Violation("a task is still in its slot")
        changed = [name for name, value in stage.fingerprints(self.base).items() if value != self._artist[name]]
        if changed:
            raise Violation(f"what belongs to the artist has changed: {changed[:5]}")
        for path, digest in self._files.items():
            if _digest(path) != digest:
                raise Violation(f"{path} has changed")
        for result, (made, known) in list(self._results.items()):
            if result.is_dir() and machine.contents(result) == known:
                continue
            if result.is_dir() or self._jobs - made < KEPT_JOBS - 2:
                raise Violation(f"the result {result} is lost or has changed")
            del self._results[result]
        for name, text in (("the worker's log", latest_log()), ("stderr", self._errors.read_text(errors="replace"))):
            if "Traceback" in text:
                raise Violation(f"a traceback in {name}: {text[-3000:]}")
        if number % QUIET_STEPS == QUIET_STEPS - 1:
            self._quiet(number)

    def _quiet(self, number: int) -> None:
        """Ends the waiting worker, and checks that nothing is held or left."""
        WARM.clear()
        self._no_orphans()
        jobs, logs = (list(user_folder(name).iterdir()) for name in ("jobs", "logs"))
        if len(jobs) > KEPT_JOBS or len(logs) > KEPT_LOGS + 1:
            raise Violation(f"{len(jobs)} jobs and {len(logs)} logs are kept")
        litter = {path.name for path in self._temporary.iterdir() if not path.name.startswith("blender_")}
        held = {"fds": machine.descriptors(os.getpid()), "threads": machine.threads(os.getpid())}
        if number < WARM_UP:
            self._litter, self._held = litter, {name: max(n, self._held.get(name, 0)) for name, n in held.items()}
            return
        if litter - self._litter:
            raise Violation(f"temporary files are left: {sorted(litter - self._litter)[:5]}")
        for name, count in held.items():
            if count > self._held[name] + MORE[name]:
                raise Violation(f"{name} grow: from {self._held[name]} to {count}")

    def _no_orphans(self) -> None:
        """Checks that no process of the backend lives on."""
        end = time.monotonic() + 10
        while True:
            found = machine.processes_with(f"TMPDIR={self._temporary}")
            workers = [command for number, command in found.items() if number != os.getpid() and "backend" in command]
            if not workers:
                return
            if time.monotonic() > end:
                raise Violation(f"a process of the backend lives on: {workers[0]}")
            time.sleep(0.05)


def _digest(path: Path) -> str:
    if path.is_dir():
        return str(sorted(machine.contents(path).items()))
    return machine.digest(path) if path.is_file() else ""
