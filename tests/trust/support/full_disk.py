"""Runs on a disk that fills up: a small file system in memory, with room for a part of what they write.

`python -m tests.trust.support.full_disk` takes 20 fill levels of every kind of run; --levels N and names choose. It
needs Linux, and the right to mount.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from backend.job.locks import STAGE
from tests.support.small_disk import PAGE, small_disk

from .cases import CASES, contents, faults, report, state_of, write_inputs
from .children import Ended, run
from .crash_points import expect_success, names_in, state_or_fault


class Disk:
    """A kind of run on a small disk."""

    def __init__(self, name: str, disk: Path) -> None:
        self.case, self._disk = CASES[name], disk
        write_inputs(disk)
        for command in (*self.case.before, *([self.case.command] if self.case.older else [])):
            expect_success(run(command, disk))
        self._older, self._contents = state_of(disk / self.case.out), contents(disk)
        self._backup = disk.parent / "backup"
        shutil.copytree(disk, self._backup)
        expect_success(run(self.case.command, disk))
        self._newer, self._names = state_of(disk / self.case.out), names_in(disk)
        # During an exchange, both are there.
        self.need = sum(len(data) for data in contents(disk).values()) + len(self._names) * PAGE

    def faults_with(self, free: int) -> list[str]:
        """Runs with this many bytes free, then with room, and returns what is wrong."""
        self._reset()
        filler = self._disk / "filler"
        filler.write_bytes(bytes(max(0, _free(self._disk) - free)))
        ended = run(self.case.command, self._disk)
        found = _wrong_sentence(ended)
        found += faults(self._disk, self._contents, self.case.out)
        if hidden := [path.name for path in self._disk.rglob(f"{STAGE}*")]:
            found.append(f"left behind: {hidden}")
        state = state_or_fault(self._disk / self.case.out)
        whole = [self._newer] if ended.status == 0 else [self._older, self._newer]
        checkpoint = ended.status and self.case.command[0] == "fit" and not isinstance(state, str | None)
        if state not in whole and not checkpoint:
            found.append(str(state) if isinstance(state, str) else "neither the older output nor a whole new one")
        filler.unlink()
        again = run(self.case.command, self._disk)
        if again.status:
            return [*found, f"with room again, it ended with {again.status}: {again.stderr}"]
        if state_or_fault(self._disk / self.case.out) != self._newer:
            found.append("with room again, it has another result")
        left = sorted(names_in(self._disk) ^ self._names)
        return [*found, f"left behind or missing: {left}"] if left else found

    def _reset(self) -> None:
        for item in self._disk.iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        shutil.copytree(self._backup, self._disk, dirs_exist_ok=True)


def _free(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize


def _wrong_sentence(ended: Ended) -> list[str]:
    """What is wrong with what a run on a full disk has said."""
    if ended.status == 0:
        return []
    sentence = ended.stderr.strip().rpartition("\n")[2]
    if ended.status != 2 or "Traceback" in ended.stderr or "No space left" not in sentence or STAGE in ended.stderr:
        return [f"ended with {ended.status}: {ended.stderr}"]
    return []


def survey(name: str, scratch: Path, levels: int) -> dict[str, object]:
    """Runs one kind at some fill levels. Returns the counts and what is wrong, by the bytes that were free."""
    scratch.mkdir()
    with small_disk(scratch / "disk") as place:
        disk = Disk(name, place)
        free = [disk.need * level // max(1, levels - 1) // PAGE * PAGE for level in range(levels)]
        wrong = {room: found for room in free if (found := disk.faults_with(room))}
    return {"kind": name, "levels": levels, "need": disk.need, "wrong": wrong}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--levels", type=int, default=20, metavar="N")
    args = parser.parse_args()
    return report(args.kinds, lambda kind, scratch: survey(kind, scratch, args.levels))


if __name__ == "__main__":
    sys.exit(main())
