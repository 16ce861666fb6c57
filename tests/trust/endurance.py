"""Endurance: many mixed jobs in one warm worker, and what it holds after them.

`python -m tests.trust.endurance --jobs 500`, from the project's folder. Prints its memory, open files, threads and
temporary files at some jobs. Linux only: see support.machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.trust.support import machine
from tests.trust.support.warm_jobs import WarmJobs


@dataclass(frozen=True)
class Held:
    """What the worker holds after a number of jobs. memory: resident, kB."""

    jobs: int
    memory: int
    fds: int
    threads: int
    temporary: int


def held_after(folder: Path, moments: list[int]) -> Iterator[Held]:
    """Runs jobs in one worker, and yields what it holds after so many of them. folder: empty."""
    with WarmJobs(folder) as jobs:
        for number in range(1, max(moments) + 1):
            jobs.run(number)
            if number in moments:
                process = jobs.process_id
                left = len(list(jobs.temporary.iterdir())) + len(list(folder.rglob(".diffbmp-*")))
                yield Held(
                    number, machine.memory(process), machine.descriptors(process), machine.threads(process), left
                )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="endurance", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--jobs", type=int, default=500)
    chosen = parser.parse_args(arguments)
    moments = sorted({10, 25, *range(50, chosen.jobs + 1, 50), chosen.jobs})
    with tempfile.TemporaryDirectory() as folder:
        for held in held_after(Path(folder), moments):
            sys.stdout.write(f"{json.dumps(asdict(held))}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
