"""Show what many different stamps and large ones cost a fit.

`ENV/bin/python -m tests.backend.support.many_stamps [--of FOLDER]`, from the project's folder, on Linux or macOS. It
draws stamps, and fits a picture with them by the command line of this checkout or of another one, with its CPU engine
built. Each fit gets a line: CPU seconds of the whole process, the most memory it took, and the ratio to one stamp.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parents[3]
FIT = "--count 600 --size 384 --iterations 60 --engine cpu --threads 1"
CASES = {"few": (1, 30, 300, 1000), "many": (5000,), "large": (5,)}
SIDES = {"few": (96,), "many": (512,), "large": (512, 4096)}
"""Numbers of stamps, and their sides, px."""


def draw(folder: Path, count: int, side: int) -> None:
    """Draws colored blots of different shapes on transparency."""
    random = np.random.default_rng(side)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    folder.mkdir()
    for number in range(count):
        waves, phase, depth = random.integers(2, 9), random.uniform(0, 6), random.uniform(0.1, 0.4)
        edge = 0.95 - depth * (1 + np.sin(waves * angle + phase)) / 2
        alpha = np.clip((edge - radius) * side / 2, 0, 1) * 255
        color = random.integers(0, 256, 3)
        rgba = np.dstack([np.broadcast_to(color, (side, side, 3)), alpha]).astype(np.uint8)
        Image.fromarray(rgba).save(folder / f"{number:05d}.png", compress_level=1)


def fit(checkout: Path, target: Path, stamps: Path, out: Path) -> tuple[float, float]:
    """Fits with all stamps in a folder. Returns CPU seconds and the most memory, MB."""
    command = [sys.executable, "-m", "backend", "fit", str(target), "--templates", str(stamps), "--out", str(out)]
    with subprocess.Popen([*command, *FIT.split()], cwd=checkout, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"The fit with {stamps.name} failed")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return used.ru_utime + used.ru_stime, used.ru_maxrss / unit


def main() -> None:
    parser = argparse.ArgumentParser(description="Show what many stamps and large ones cost a fit.")
    parser.add_argument("cases", nargs="*", choices=[*CASES], default=[*CASES])
    parser.add_argument("--of", type=Path, default=HERE, help="the checkout that fits")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        one = 0.0
        for case in given.cases:
            for side in SIDES[case]:
                for count in CASES[case]:
                    own = Path(folder, f"{count} of {side} px")
                    draw(own, count, side)
                    seconds, memory = fit(given.of, HERE / "docs/demo/astronaut.jpg", own, Path(folder, "out"))
                    one = one or seconds
                    print(f"{own.name:16} {seconds:7.2f} CPU s {memory:6.0f} MB {seconds / one:6.2f}", flush=True)


if __name__ == "__main__":
    main()
