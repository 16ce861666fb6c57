"""Kills runs at each of their file operations, and looks at what is left.

`python -m tests.trust.support.crash_points --all` takes every operation of every kind of run and writes the counts;
--every N takes each Nth, and names choose kinds. It needs fork, so not Windows.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from pathlib import Path

from backend.job import UserError, sweep
from backend.job.locks import STAGE

from .cases import CASES, Case, contents, faults, report, state_of, write_inputs
from .children import Ended, run

LEAST = 4
"""Fewest operations of a kind of run at which it is killed."""


class Points:
    """The operations of a kind of run, in a scratch folder."""

    def __init__(self, case: Case, scratch: Path) -> None:
        self.case, self._scratch = case, scratch
        self._given = scratch / "given"
        self._given.mkdir(parents=True)
        write_inputs(self._given)
        for command in (*case.before, *([case.command] if case.older else [])):
            expect_success(run(command, self._given))
        self._contents = contents(self._given)
        if case.killed_at:
            run(case.command, self._given, case.killed_at)
            if not list((self._given / case.out / "progress").glob("frame_*.npz")):
                raise RuntimeError("no frame was done before the kill")
        self._older = state_of(self._given / case.out) if not case.killed_at else None
        whole = self._copy("whole")
        ended = run(case.command, whole, in_steps=case.in_steps)
        expect_success(ended)
        self.count = ended.operations
        self._newer = state_of(whole / case.out)
        self._names = names_in(whole)

    def faults_at(self, number: int) -> list[str]:
        """Kills the run at one operation, from 1, runs it again, and returns what is wrong."""
        folder = self._copy("killed")
        ended = run(self.case.command, folder, number, self.case.in_steps)
        if ended.status not in (-signal.SIGKILL, 0):  # timing may lead to fewer operations
            return [f"ended with {ended.status}: {ended.stderr}"]
        found = [f"after the kill: {fault}" for fault in [*self._user_faults(folder), *self._half(folder)]]
        again = run(self.case.command, folder, in_steps=self.case.in_steps)
        if again.status:
            return [*found, f"the second run ended with {again.status}: {again.stderr}"]
        found += [f"after the second run: {fault}" for fault in self._user_faults(folder)]
        if (state := state_or_fault(folder / self.case.out)) != self._newer:
            found.append("the second run has another result" if state is not None else "the second run has no result")
        left = sorted(names_in(folder) ^ self._names)
        return [*found, f"left behind or missing: {left}"] if left else found

    def _user_faults(self, folder: Path) -> list[str]:
        return faults(folder, self._contents, self.case.out)

    def _half(self, folder: Path) -> list[str]:
        """What is wrong with the output after a kill: it must be the older one, or a whole new one."""
        if self.case.in_steps:
            sweep(folder)  # gives the older one back
        state = state_or_fault(folder / self.case.out)
        unfinished = self.case.command[0] == "fit" and state is not None and not isinstance(state, str)
        if state == self._older or state == self._newer or unfinished:  # a checkpoint is a whole layout
            return []
        return [str(state) if isinstance(state, str) else "neither the older output nor a whole new one"]

    def _copy(self, name: str) -> Path:
        folder = self._scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._given, folder)
        return folder


def state_or_fault(path: Path) -> object:
    """Returns state_of, or what is wrong; an unfinished clip without a result counts as nothing."""
    try:
        state = state_of(path)
    except UserError as error:
        return error.message
    names = {name.split("/")[0] for name in state} if isinstance(state, dict) else None
    return None if names is not None and all(n == "progress" or n.startswith(STAGE) for n in names) else state


def names_in(folder: Path) -> set[str]:
    """Returns the paths of all files and folders in a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def expect_success(ended: Ended) -> None:
    if ended.status:
        raise RuntimeError(f"a run without a kill ended with {ended.status}: {ended.stderr}")


def survey(name: str, scratch: Path, every: int = 1) -> dict[str, object]:
    """Kills one kind of run at every Nth operation, at LEAST at least. Returns the counts, and faults by operation."""
    points = Points(CASES[name], scratch)
    numbers = range(1, points.count + 1, max(1, min(every, points.count // LEAST)))
    wrong = {number: found for number in numbers if (found := points.faults_at(number))}
    return {"kind": name, "operations": points.count, "kills": len(numbers), "wrong": wrong}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*CASES, []], metavar="KIND")
    parser.add_argument("--all", action="store_true", help="every operation")
    parser.add_argument("--every", type=int, default=7, metavar="N")
    args = parser.parse_args()
    return report(args.kinds, lambda kind, scratch: survey(kind, scratch, 1 if args.all else args.every))


if __name__ == "__main__":
    sys.exit(main())
