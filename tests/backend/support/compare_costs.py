"""Compare the cost of whole fits of this checkout with that of another one: CPU seconds and memory of processes.

`ENV/bin/python -m tests.backend.support.compare_costs OTHER_FOLDER [--only NAME ...] [--rounds N]`, from the project's
folder. The other folder holds another commit, with its CPU engine built. The command lines of both run in turn, on one
thread, on pictures that are drawn here; a line gives the least CPU seconds of each, their ratio, and the greatest
memory. A ratio within one checkout ("... against ...") has a line of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from tests.backend.support.pictures import soft_disc

HERE = Path(__file__).resolve().parents[3]
TARGET = HERE / "docs" / "demo" / "astronaut.jpg"
COMMON = ["--threads", "1", "--engine", "cpu"]

CASES = {
    "one step": "--templates disc.png --count 1 --size 512 --iterations 1",
    "1 stamp": "--templates stamps/000.png --count 600 --size 384 --iterations 60",
    "300 stamps": "--templates stamps --count 600 --size 384 --iterations 60",
    "512 px": "--templates disc.png --count 1000 --size 512 --iterations 100",
    "1,024 px": "--templates disc.png --count 3000 --size 1024 --iterations 100",
    "200": "--templates disc.png --count 200 --size 512 --iterations 100",
    "200, paper": "--templates disc.png --count 200 --size 512 --iterations 100 --recipe paper",
    "8,192 px": "--templates disc.png --count 100000 --size 8192 --iterations 20",
}
WITHIN = (("300 stamps", "1 stamp"), ("200", "200, paper"), ("one step", "512 px"))
"""Pairs of cases whose ratio in this checkout matters."""


@dataclass
class Cost:
    """The cost of a process and its children."""

    cpu: float  # s
    peak: float  # GB


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the cost of fits with those of another checkout.")
    parser.add_argument("other", type=Path)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folders = {"here": HERE, "other": options.other.resolve()}
    with TemporaryDirectory() as scratch:
        draw(Path(scratch))
        best: dict[tuple[str, str], Cost] = {}
        for name in options.only:
            for _ in range(options.rounds + 1):  # the first one fills the caches
                for where, folder in folders.items():
                    cost, known = _run(folder, CASES[name], Path(scratch)), best.get((name, where))
                    best[name, where] = cost if known is None or cost.cpu < known.cpu else known
            here, other = best[name, "here"], best[name, "other"]
            _tell(f"{name:12} {here.cpu:8.2f} s {other.cpu:8.2f} s  {here.cpu / other.cpu:5.2f}  {here.peak:5.2f} GB")
        for above, below in WITHIN:
            if (above, "here") in best and (below, "here") in best:
                _tell(f"{above} against {below}: {best[above, 'here'].cpu / best[below, 'here'].cpu:.2f}")


def draw(folder: Path) -> None:
    """Draws a soft disc, and 300 different stamps of 96 px."""
    Image.fromarray(soft_disc(128, 128, edge=4, slope=4)).save(folder / "disc.png")
    (folder / "stamps").mkdir()
    random = np.random.default_rng(0)
    y, x = (np.mgrid[:96, :96] - 47.5) / 48
    for number in range(300):
        angle, petals, depth = (
            np.arctan2(y, x) + random.uniform(0, 6.3),
            random.integers(2, 8),
            random.uniform(0.1, 0.5),
        )
        edge = 0.95 * (1 - depth * (0.5 + 0.5 * np.cos(petals * angle)))
        alpha = np.clip((edge - np.hypot(x, y)) * 24, 0, 1)
        rgba = np.full((96, 96, 4), 255, np.uint8)
        rgba[..., 3] = np.rint(alpha * 255)
        Image.fromarray(rgba).save(folder / "stamps" / f"{number:03d}.png")


def _run(checkout: Path, options: str, scratch: Path) -> Cost:
    command = [sys.executable, "-m", "backend", "fit", str(TARGET), "--out", str(scratch / "out"), *COMMON]
    stamps = {"disc.png", "stamps", "stamps/000.png"}
    command += [str(scratch / word) if word in stamps else word for word in options.split()]
    process = subprocess.Popen(command, cwd=checkout, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed in {checkout}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e6)


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
