"""Every kind of run that writes files, as small as it can be: its inputs, its command line, and what it must leave."""

from __future__ import annotations

import io
import json
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.layouts.result_folder import load_result

FIT = ("--templates", "leaf.png", "--out", "out", "--count", "2", "--iterations", "2", "--size", "8", "--threads", "1")
STILL = ("fit", "target.png", *FIT)
CLIP = ("fit", "frames", *FIT, "--iterations", "2")


_PROFILE_DATE = re.compile(b".{12}acsp", re.DOTALL)
"""When a color profile in a file was made."""


@dataclass(frozen=True)
class Case:
    """A kind of run. Paths are relative to the folder in which it runs.

    command: its arguments. before: the runs that make what it needs. older: whether the run is done once before, so
    that it finds its own older output. out: what it writes. in_steps: where no two folders can be exchanged at once.
    """

    command: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    older: bool = False
    out: str = "out"
    in_steps: bool = False
    killed_at: int = 0  # operation of an earlier run that was killed, and has left its progress


def _export(name: str, *, of: tuple[str, ...] = STILL, older: bool = False) -> Case:
    return Case(("export", "out", "--out", name, "--threads", "1"), (of,), older, name)


CASES: dict[str, Case] = {
    "still": Case(STILL),
    "still over an older one": Case(STILL, older=True),
    "still over an older one, in steps": Case(STILL, older=True, in_steps=True),
    "recording": Case((*STILL, "--record", "2")),
    "clip": Case(CLIP),
    "clip that goes on": Case(CLIP, killed_at=60),
    "clip over an older one": Case(CLIP, older=True),
    "clip over a still": Case(CLIP, (STILL,)),
    "psd": _export("x.psd"),
    "psd over an older one": _export("x.psd", older=True),
    "ora": _export("x.ora"),
    "svg": _export("x.svg"),
    "json": _export("x.json"),
    "png": _export("x.png"),
    "folder": _export("layers"),
    "folder over an older one": _export("layers", older=True),
    "gif": _export("x.gif", of=CLIP),
    "webp": _export("x.webp", of=CLIP),
    "mp4": _export("x.mp4", of=CLIP),
    "render": Case(("render", "out", "--out", "x.png", "--threads", "1"), (STILL,), out="x.png"),
    "animate": Case(("animate", "growth", "out", "--out", "grown", "--frames", "2", "--render"), (STILL,), out="grown"),
    "merge": Case(("merge", "out", "--out", "merged", "--render"), (CLIP,), out="merged"),
}


def write_inputs(folder: Path) -> None:
    """Writes a stamp, a target, frames of a clip, and files of the artist's that no run may touch."""
    y, x = np.mgrid[-1:1:6j, -1:1:8j]
    alpha = np.clip(3.0 * (1.0 - np.abs(x) - np.abs(y)), 0.0, 1.0)
    _write(folder / "leaf.png", np.dstack([0.4 + 0.2 * x, 0.5 + 0.4 * y, 0.0 * x, alpha]))
    (folder / "frames").mkdir()
    for name, shift in (("target.png", 0.0), ("frames/0001.png", 0.1), ("frames/0002.png", 0.2)):
        _write(folder / name, np.dstack([np.abs(x + shift).clip(0, 1), np.abs(y), np.full_like(x, 0.2)]))
    (folder / "holiday.txt").write_text("mine")
    (folder / ".hidden.txt").write_text("mine, too")
    (folder / "photos").mkdir()
    (folder / "photos" / "0001.png").write_text("mine as well")


def _write(path: Path, pixels: NDArray[Any]) -> None:
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(path)


def contents(path: Path) -> dict[str, bytes]:
    """Returns the files of a folder, or a file, by their paths within."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def state_of(path: Path) -> object:
    """Returns what is equal for equal outputs. Raises UserError where a result is not whole."""
    if not path.exists():
        return None
    if (path / "layout.json").exists():
        layout, _ = load_result(path)
        arrays = {name: value for name, value in vars(layout).items() if isinstance(value, np.ndarray)}
        return [(name, value.tobytes()) for name, value in sorted(arrays.items())] + [layout.frames]
    return {name: _undated(data) for name, data in contents(path).items()}


def _undated(data: bytes) -> object:
    if not data.startswith(b"PK"):
        return _PROFILE_DATE.sub(b"acsp", data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: _undated(archive.read(name)) for name in archive.namelist()}


def faults(folder: Path, given: dict[str, bytes], out: str) -> list[str]:
    """Returns what is wrong with the artist's files. given: those in the folder before."""
    now = contents(folder)
    return [
        f"{name} was {'lost' if name not in now else 'changed'}"
        for name, data in given.items()
        if name.split("/")[0] != out and now.get(name) != data
    ]


def report(kinds: Sequence[str], survey: Callable[[str, Path], dict[str, object]]) -> int:
    """Writes a survey of each kind of run, all by default, in a scratch folder. Returns 1 where any is wrong."""
    wrong = False
    for kind in kinds or CASES:
        with tempfile.TemporaryDirectory() as scratch:
            found = survey(kind, Path(scratch) / "survey")
        wrong = wrong or bool(found["wrong"])
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
    return int(wrong)
