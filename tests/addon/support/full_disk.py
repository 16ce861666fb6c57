"""The add-on's buttons on a disk that fills up: its folders and all temporary files lie on a small one.

`python -m tests.addon.support.full_disk` takes 20 fill levels of every button, by bytes and by files; --levels N and
names choose. It needs Linux, and the right to mount. A line of JSON on stdout tells of each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.addon.support.full_disk_buttons import BUTTONS, Button, Stage
from tests.support.small_disk import PAGE, small_disk

FILES = 400
"""Most files of the small disk."""

LEVELS = 20
MARK = "@@"
"""Begins the lines that are meant for the caller."""

_HIDDEN = re.compile(r"tmp[a-z0-9_]{8}|\.diffbmp-")
"""Names of temporary files and folders, which no sentence may have."""


_KEPT = "the best layout so far is kept"


class Disk:
    """A small disk that is filled."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._kept: set[Path] = set()

    def keep(self) -> None:
        """Lets `clear` keep what is there now."""
        self._kept = set(self.place.rglob("*"))

    def clear(self) -> None:
        """Removes what has come since."""
        for path in sorted(set(self.place.rglob("*")) - self._kept, reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)

    def fill(self, *, pages: int | None = None, files: int | None = None) -> None:
        """Leaves room for so many pages or files."""
        status = os.statvfs(self.place)
        if pages is not None:
            (self.place / "filler").write_bytes(bytes(max(0, status.f_bavail - pages) * PAGE))
        (self.place / "fillers").mkdir()
        for number in range(status.f_favail - 2 - files if files is not None else 0):
            (self.place / "fillers" / str(number)).touch()

    def make_room(self) -> None:
        shutil.rmtree(self.place / "fillers", ignore_errors=True)
        (self.place / "filler").unlink(missing_ok=True)

    def left(self) -> list[str]:
        """Temporary files that have stayed."""
        return [str(path) for path in self.place.rglob("*") if _HIDDEN.match(path.name)]


def rooms(levels: int) -> list[dict[str, int]]:
    """Returns fill levels: half by bytes, from nothing to a megabyte, half by files."""
    count = max(1, levels // 2)
    step = 10 // count
    pages = [0, 1, 2, 3, 4, 8, 16, 32, 64, 256][::step][:count]
    return [{"pages": value} for value in pages] + [{"files": value} for value in range(0, 10, step)][:count]


def faults_of(button: Button, stage: Stage, disk: Disk, room: dict[str, int], expected: Any) -> tuple[bool, list[str]]:
    """Presses a button with this room, then with enough. Returns whether it did without, and what is wrong."""
    disk.clear()
    button.prepare(stage)
    before = stage.fingerprint()
    disk.fill(**room)
    said = pressed(button, stage)
    found = _wrong_sentence(said.replace(str(disk.place), "")) if said else []
    if said and _KEPT not in said and stage.fingerprint() != before:
        found.append("the file has changed")
    if left := disk.left():
        found.append(f"left behind: {left}")
    found += stage.half_jobs()
    disk.make_room()
    if not said and button.state(stage) != expected:
        found.append("it says that all is well, but the output differs")
    button.restore(stage)
    disk.clear()
    button.prepare(stage)
    if again := pressed(button, stage):
        found.append(f"with room again: {again}")
    elif button.state(stage) != expected:
        found.append("with room again, it has another output")
    button.restore(stage)
    return not said, found


def pressed(button: Button, stage: Stage) -> str:
    """Presses a button. Returns what it reports as an error, "" = none."""
    try:
        button.press(stage)
    except RuntimeError as error:
        return str(error).strip().removeprefix("Error: ") or "nothing"
    return ""


def _wrong_sentence(said: str) -> list[str]:
    about_space = "space" in said and said.count("\n") == 0
    return [] if about_space and "Traceback" not in said and not _HIDDEN.search(said) else [said]


def survey(place: Path, names: list[str], levels: int) -> None:
    """Presses buttons at some fill levels. Writes a line about each."""
    disk, stage = Disk(place), Stage(place)
    disk.keep()
    for name in names or BUTTONS:
        button = BUTTONS[name]
        button.prepare(stage)
        if said := pressed(button, stage):
            raise AssertionError(f"{name} on an empty disk: {said}")
        expected = button.state(stage)
        button.restore(stage)
        wrong, done = {}, 0
        for room in rooms(levels):
            without, found = faults_of(button, stage, disk, room, expected)
            done += without
            if found:
                wrong[json.dumps(room)] = found
        disk.clear()
        told = {"button": name, "levels": levels, "done": done, "wrong": wrong}
        sys.stdout.write(f"\n{MARK}{json.dumps(told)}\n")
        sys.stdout.flush()


def outside(names: list[str], levels: int) -> int:
    """Mounts the disk, and runs the survey in a Blender whose folders lie on it. Raises PermissionError."""
    with tempfile.TemporaryDirectory() as scratch, small_disk(Path(scratch) / "disk") as place:
        subprocess.run(["mount", "-o", f"remount,nr_inodes={FILES}", str(place)], check=True)
        (place / "tmp").mkdir()
        folders = {"TMPDIR": str(place / "tmp"), "BLENDER_USER_RESOURCES": str(place / "user")}
        inside = [sys.executable, "-m", __spec__.name, "--on", str(place), "--levels", str(levels), *names]
        return subprocess.run(inside, env=os.environ | folders).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("buttons", nargs="*", metavar="BUTTON")
    parser.add_argument("--levels", type=int, default=LEVELS, metavar="N")
    parser.add_argument("--on", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.on is None:
        return outside(args.buttons, args.levels)
    survey(args.on, args.buttons, args.levels)
    sys.stdout.flush()
    os._exit(0)  # a worker still waits


if __name__ == "__main__":
    sys.exit(main())
