"""Compare the quality of fits of this checkout with that of another one, by pairs of a picture and a stamp.

`ENV/bin/python -m tests.backend.support.compare_quality OTHER_FOLDER DIR [--seeds 3] [options of fit]`, from the
project's folder. DIR has pictures in targets/ and stamps in templates/, and each picture is made of each stamp alone,
512 px, 1,000 stamps, 100 steps, unless options say otherwise. A line for each pair gives the mean PSNR and SSIM of the
anti-aliased picture here and there; the last one gives the means of all. Results of the other checkout are kept in
DIR/quality-COMMIT.json, so that they are measured once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parents[3]

Quality = tuple[float, float]  # PSNR, dB, and SSIM


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the quality of fits with those of another checkout.")
    parser.add_argument("other", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--templates", nargs="+", help="only these, without file extension")
    options, more = parser.parse_known_args()
    targets, stamps = (sorted((options.folder / name).iterdir()) for name in ("targets", "templates"))
    stamps = [file for file in stamps if not options.templates or file.stem in options.templates]
    cases = [(target, stamp, seed) for target in targets for stamp in stamps for seed in range(options.seeds)]
    here = _measured(HERE, cases, more)
    other = _kept(options.other.resolve(), options.folder, cases, more)
    for target in targets:
        for stamp in stamps:
            own = [case for case in cases if case[:2] == (target, stamp)]
            _tell(f"{target.stem} of {stamp.stem}", [here[case] for case in own], [other[case] for case in own])
    _tell("mean", list(here.values()), list(other.values()))


Case = tuple[Path, Path, int]


def _kept(checkout: Path, folder: Path, cases: list[Case], more: list[str]) -> dict[Case, Quality]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=checkout, capture_output=True, text=True)
    file = folder / f"quality-{commit.stdout.strip()}.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    names = {case: " ".join([case[0].name, case[1].name, str(case[2]), *more]) for case in cases}
    fresh = _measured(checkout, [case for case in cases if names[case] not in known], more)
    known |= {names[case]: quality for case, quality in fresh.items()}
    file.write_text(json.dumps(known, indent=1))
    return {case: tuple(known[names[case]]) for case in cases}


def _measured(checkout: Path, cases: list[Case], more: list[str]) -> dict[Case, Quality]:
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(cases, pool.map(lambda case: _fit(checkout, case, more), cases), strict=True))


def _fit(checkout: Path, case: Case, more: list[str]) -> Quality:
    target, stamp, seed = case
    with TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        command = [sys.executable, "-m", "backend", "fit", str(target.resolve()), "--templates", str(stamp.resolve())]
        command += ["--out", str(out), "--seed", str(seed), "--threads", "1", "--engine", "cpu", *more]
        subprocess.run(command, cwd=checkout, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        metrics = json.loads((out / "metrics.json").read_text())
    return metrics["psnr_aa"], metrics["ssim_aa"]


def _tell(name: str, here: list[Quality], other: list[Quality]) -> None:
    means = [[sum(values) / len(values) for values in zip(*side, strict=True)] for side in (here, other)]
    (psnr, ssim), (psnr_there, ssim_there) = means
    line = f"{name:24} {psnr:6.2f} dB, there {psnr_there:6.2f} ({psnr - psnr_there:+.3f}); SSIM {ssim:.4f}, there "
    sys.stdout.write(f"{line}{ssim_there:.4f} ({ssim - ssim_there:+.4f})\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
