"""Damaged and hostile input of every kind: 2,000 cases, always the same. `dev.py fuzz` runs more."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from tests.trust.fuzz import Fuzz, cases, failures
from tests.trust.support.fuzz.case import Case
from tests.trust.support.fuzz.generate import KINDS, case_of

CASES = 2000
SEED = 0


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzz]:
    """All kinds share its processes, which take a while to start."""
    with Fuzz(tmp_path_factory.mktemp("fuzz") / "work") as fuzz:
        yield fuzz


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(600)
def test_whatever_comes_in_gives_a_result_or_one_sentence(kind: str, fuzz: Fuzz) -> None:
    number = CASES * KINDS[kind] // sum(KINDS.values())
    failed = []
    for case, problem in failures(fuzz, islice(cases(SEED, kind), number)):
        failed.append(f"{case.name[:200]!a}: {problem[-1000:]}")
        assert len(failed) < 5, f"{len(failed)} failed: {failed}"
    assert not failed, f"{len(failed)} of {number} failed: {failed}"
    ends = [fuzz.counts[f"{kind}: {end}"] for end in ("done", "refused")]
    assert sum(ends) == number
    assert all(ends) or kind == "worker", "these cases test nothing: all end alike"


def test_a_case_depends_on_its_seed_and_number_only() -> None:
    assert [case_of(3, number) for number in range(60)] == [case_of(3, number) for number in range(60)]
    assert case_of(3, 7) != case_of(4, 7)


def test_a_case_is_kept_as_a_file() -> None:
    for number in range(40):
        case = case_of(1, number)
        assert Case.decode(case.encode("a problem")) == case
