"""Compare the fits of this checkout with those of another one, or of another processor, bit by bit.

`ENV/bin/python -m tests.backend.support.compare_fits [OTHER_FOLDER] [--python COMMAND] [--only NAME ...]`, from the
project's folder. The other folder holds another commit, with its CPU engine built. The same small fits run by the
command lines of both, on pictures that are drawn here, and each gets a line. Nothing depends on time, nor on the number
of threads.

COMMAND is the Python of the other one, if it is not the one that runs this: `env DIFFBMP_ISA=avx512 ENV/bin/python`, or
that of another machine by emulation: `qemu-aarch64-static -L ROOT ROOT/usr/bin/python3.11`, with `PYTHONHOME` and
`PYTHONPATH` by `env`. It needs NumPy and its library of the CPU engine (`dev.py build`); cases that need more fail.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).resolve().parents[3]
HEIGHT, WIDTH, FRAMES, CUT = 72, 96, 6, 4
SMALL = ["--size", "96", "--count", "80", "--iterations", "24", "--seed", "3", "--engine", "cpu", "--threads", "1"]
STAMPS = "--templates disc.png bar.png"
IMAGE_LOSSES = "huber=1 gray_mse=0.1 gray_l1=0.1 gray_huber=0.1 ssim=0.1 ms_ssim=0.1 edge=0.1 laplacian=0.1 alpha=0.1"
REGULARIZERS = "overlap=0.01 size=0.01 sparsity=0.01 decisive=0.01 smoothness=0.01 alignment=0.01 boundary=0.01"

CASES = {
    "default": f"picture.png {STAMPS}",
    "linear": f"picture.png {STAMPS} --space linear",
    "reference": f"picture.png {STAMPS} --engine reference --count 30 --iterations 10",
    "reference, linear": f"picture.png {STAMPS} --engine reference --count 30 --iterations 10 --space linear",
    "paper": f"picture.png {STAMPS} --recipe paper",
    "paper, linear, mask": f"picture.png {STAMPS} --recipe paper --space linear --mask mask.png",
    "transparent": f"open.png {STAMPS} --transparent",
    "transparent, linear": f"open.png {STAMPS} --transparent --space linear --background 204080",
    "mask, importance": f"picture.png {STAMPS} --mask mask.png --importance across.png --containment 2",
    "regions": "picture.png --region mask.png disc.png --region white.png bar.png --palette-size 5",
    "palette": f"picture.png {STAMPS} --palette 102030,d0e0f0,c83219,4060a0",
    "palette of the target": f"picture.png {STAMPS} --palette-size 4 --space linear",
    "spacing, order": f"picture.png {STAMPS} --spacing 0.05 --order small_front",
    "order": f"picture.png {STAMPS} --order large_front",
    "shares": f"picture.png {STAMPS} --shares 3 1",
    "at most": f"picture.png {STAMPS} --at-most 50",
    "stretch, mirror": f"picture.png {STAMPS} --stretch 3 --mirror --mode mix",
    "limits": f"picture.png {STAMPS} --size-range 0.1 0.3 --rotation -20 40 --opacity 0.4 0.9",
    "original colors": f"picture.png {STAMPS} --mode original --opaque",
    "absolute error": f"picture.png {STAMPS} --loss l1 --mode multiply",
    "image losses": f"picture.png {STAMPS} --loss {IMAGE_LOSSES}",
    "regularizers": f"picture.png {STAMPS} --loss mse {REGULARIZERS} --stretch 2",
    "one step": f"picture.png {STAMPS} --iterations 1",
    "smaller at first": f"wide.png {STAMPS} --size 1024 --iterations 10",
    "continued": f"picture.png {STAMPS} --start start --order large_front",
    "continued, added, spacing": f"picture.png {STAMPS} --start start --add 30 --spacing 0.03",
    "continued, locked": f"picture.png {STAMPS} --start start --lock position rotation",
    "paper, continued": f"picture.png {STAMPS} --start start --recipe paper",
    "clip": f"clip {STAMPS} --frame-iterations 8 --refinement 4",
    "clip, linear": f"clip {STAMPS} --frame-iterations 8 --refinement 2 --space linear --palette-size 4 --cut 0",
}
"""The arguments after `python -m backend fit` and SMALL; the second of two equal options counts."""

COMMAND_LINES = """
import json, sys
from backend.__main__ import main
sys.exit(max([main(line) for line in json.load(sys.stdin)]))
"""
"""One process for all: loading PyTorch takes longer than these fits."""

Picture = NDArray[np.float64]


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares the fits of two checkouts, or of two processors")
    parser.add_argument("other", type=Path, nargs="?", default=HERE, help="a checkout of another commit, built (this)")
    parser.add_argument("--python", type=shlex.split, default=[sys.executable], help="the other one's Python (this)")
    parser.add_argument(
        "--only", nargs="+", choices=[*CASES], metavar="NAME", default=[*CASES], help="only these cases"
    )
    args = parser.parse_args()
    sides = ((HERE, [sys.executable]), (args.other.resolve(), args.python))
    cases = {name: CASES[name] for name in args.only}
    with TemporaryDirectory() as name:
        pictures, results = Path(name, "pictures"), (Path(name, "ours"), Path(name, "theirs"))
        draw(pictures)
        run(sides[0], {"start": f"picture.png {STAMPS} --iterations 8"}, pictures, pictures)
        with ThreadPoolExecutor() as pool:
            said = list(pool.map(lambda side, out: run(side, cases, pictures, out), sides, results))
        lines = {case: ", ".join(differences(*(out / case for out in results))) for case in cases}
    for case, line in lines.items():
        sys.stdout.write(f"{case:28}{line or 'the same'}\n")
    sys.stderr.write("".join(said))
    return int(any(said) or any(lines.values()))


def run(side: tuple[Path, list[str]], cases: dict[str, str], pictures: Path, out: Path) -> str:
    """Runs command lines with the code and the Python of a side in one process. Returns its output if one failed."""
    lines = []
    for case, text in cases.items():
        words = [str(pictures / word) if (pictures / word).exists() else word for word in text.split()]
        lines.append(["fit", *SMALL, *words, "--out", str(out / case)])
    checkout, python = side
    command = [*python, "-c", COMMAND_LINES]
    done = subprocess.run(command, cwd=checkout, input=json.dumps(lines), capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def draw(folder: Path) -> None:
    """Draws the files of the cases."""
    (folder / "clip").mkdir(parents=True)
    y, x = np.mgrid[:HEIGHT, :WIDTH] / WIDTH
    save(folder / "picture.png", scene(x, y))
    save(folder / "open.png", np.dstack([scene(x, y), (1.2 - 1.5 * np.hypot(x - 0.5, y - 0.4)).clip(0.0, 1.0)]))
    save(folder / "mask.png", (1.5 * x - 0.3).clip(0.0, 1.0))
    save(folder / "across.png", x)
    save(folder / "white.png", np.ones_like(x))
    wide_y, wide_x = np.mgrid[:256, :1024] / 1024
    save(folder / "wide.png", scene(wide_x, wide_y + 0.2))
    for frame in range(FRAMES):
        moved = scene(x - 0.03 * frame, y)
        save(folder / "clip" / f"{frame:02d}.png", moved if frame < CUT else 1.0 - moved[::-1])
    v, u = np.mgrid[-1:1:32j, -1:1:32j]
    disc = np.clip(6.0 * (1.0 - np.hypot(u, v)), 0.0, 1.0)
    save(folder / "disc.png", np.dstack([0.4 + 0.3 * u, 0.5 + 0.4 * v, 0.5 - 0.3 * u, disc]))
    save(folder / "bar.png", np.dstack([disc[:8], 0.5 * disc[:8], np.ones((8, 32)), np.ones((8, 32))]))


def scene(x: Picture, y: Picture) -> Picture:
    """A disc and a beam in front of a wall with a pattern: [H, W, 3]."""
    image = np.dstack([0.3 + 0.3 * x, 0.4 + 0.2 * np.sin(30 * x) * np.cos(20 * y), 0.7 - 0.4 * y])
    image[(x - 0.3) ** 2 + (y - 0.35) ** 2 < 0.03] = 0.85, 0.3, 0.1
    image[(x > 0.6) & (x < 0.72) & (y > 0.1)] = 0.05, 0.1, 0.2
    return image


def save(path: Path, image: Picture) -> None:
    Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(path)


def differences(one: Path, other: Path) -> list[str]:
    """Lists the differences of layouts and pictures in two result folders."""
    if not all((folder / "layout.npz").exists() for folder in (one, other)):
        return ["failed"]
    found = []
    with np.load(one / "layout.npz") as ours, np.load(other / "layout.npz") as theirs:
        for name in sorted({*ours, *theirs}):
            both = name in ours and name in theirs
            if not both or ours[name].dtype != theirs[name].dtype or ours[name].tobytes() != theirs[name].tobytes():
                found.append(name)
    pictures = {path.relative_to(folder) for folder in (one, other) for path in folder.rglob("*.png")}
    for picture in sorted(picture for picture in pictures if picture.parts[0] in ("render.png", "render")):
        both = (one / picture).exists() and (other / picture).exists()
        if not both or Image.open(one / picture).tobytes() != Image.open(other / picture).tobytes():
            found.append(str(picture))
    return found


if __name__ == "__main__":
    sys.exit(main())
