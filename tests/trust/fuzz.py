"""Fuzz: damaged and hostile input of every kind, in processes that are watched.

`python3 dev.py fuzz --minutes 10 --seed 1`. What fails is kept as a file in build/fuzz, and can be repeated:
`dev.py fuzz --repeat FILE`. A failure is a traceback, a crash, a hang over 20 s, too much memory, a file touched
outside of the case's folder, or a message that is not one short sentence. A case depends on the seed and its own
number only.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.trust.support.fuzz.case import Case
from tests.trust.support.fuzz.generate import KINDS, case_of, stamp
from tests.trust.support.fuzz.process import Child, WorkerChild

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 400
"""Letters of a sentence, besides the folder's."""
_ECHO = re.compile(r"(.)\1{80,}")
_HIDDEN = re.compile(r"[/\\]\.(diffbmp-|[^/\\\s]+-\w{8})")


class Fuzz:
    """Runs cases below a folder `work`, which must not exist yet."""

    def __init__(self, work: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._folder, self._outside = work / "case", work / "outside"
        self._outside.mkdir(parents=True)
        (self._outside / "secret.png").write_bytes(stamp())
        self._child, self._blend, self._worker = Child("child", work), Child("blend", work), WorkerChild(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in (self._child, self._blend, self._worker):
            child.close()

    def run(self, case: Case) -> str:
        """Runs a case. Returns its problem, "" = none."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        case.write(self._folder, self._outside)
        arguments = [self._placed(text) for text in case.arguments]
        if case.kind == "worker":
            problem, sentences = self._worker.run(self._folder, arguments)
        else:
            child = self._blend if case.kind == "blend" else self._child
            problem, sentence = child.run(case.kind, self._folder, self._outside, arguments)
            sentences = [sentence] if sentence else []
        problem = problem or next(filter(None, map(self._flaw, sentences)), "")
        self.counts[f"{case.kind}: {'failed' if problem else 'refused' if sentences else 'done'}"] += 1
        return problem

    def _placed(self, text: str) -> str:
        return text.replace("HERE", str(self._folder)).replace("OUTSIDE", str(self._outside))

    def _flaw(self, sentence: str) -> str:
        """Says what is wrong with a message for the user, "" = nothing."""
        short = sentence.replace(str(self._folder), "").replace(str(self._outside), "")
        if "\n" in short.strip() or not short.strip():
            return f"not one line: {sentence[:1000]!r}"
        if len(short) > LONGEST:
            return f"a sentence of {len(short)} letters: {sentence[:1000]}"
        if _ECHO.search(short):
            return f"a sentence that echoes a long value: {sentence}"
        if _HIDDEN.search(short):
            return f"a sentence that names a hidden path: {sentence}"
        return ""


def cases(seed: int, only: str = "") -> Iterator[Case]:
    """Yields all cases of a seed. only: of this kind, "" = of all."""
    return (case_of(seed, number, only) for number in count())


def failures(fuzz: Fuzz, given: Iterable[Case]) -> Iterator[tuple[Case, str]]:
    """Runs cases, and yields those that fail, with their problems."""
    return ((case, problem) for case in given if (problem := fuzz.run(case)))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dev.py fuzz", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="how long it runs")
    parser.add_argument("--seed", type=int, default=0, help="chooses the cases")
    parser.add_argument("--only", choices=list(KINDS), default="", help="one kind of input")
    parser.add_argument("--repeat", type=Path, nargs="+", metavar="FILE", help="run cases that were kept")
    chosen = parser.parse_args(arguments)
    kept = ROOT / "build" / "fuzz"
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as work, Fuzz(Path(work, "w")) as fuzz:
        if chosen.repeat:
            given: Iterable[Case] = [Case.decode(path.read_text(encoding="utf-8")) for path in chosen.repeat]
        else:
            given = _until(time.monotonic() + 60 * chosen.minutes, cases(chosen.seed, chosen.only))
        number = 0
        for number, (case, problem) in enumerate(failures(fuzz, given), 1):
            path = kept / f"{chosen.seed}-{case.kind}-{number:03d}.json"
            if not chosen.repeat:
                path.write_text(case.encode(problem), encoding="utf-8")
            say(f"{path.name}: {case.kind}, {case.name[:200]!a}\n    {problem.strip()[-700:]!a}")
    for name, times in sorted(fuzz.counts.items()):
        say(f"{times:6} {name}")
    say(f"{number} of {sum(fuzz.counts.values()):,} cases failed" + (f": see {kept}" if number else ""))
    return 1 if number else 0


def _until(end: float, given: Iterator[Case]) -> Iterator[Case]:
    while time.monotonic() < end:
        yield next(given)


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
