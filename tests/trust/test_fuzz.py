"""Damaged and hostile input of every kind: 2,000 cases, always the same. `dev.py fuzz` runs more."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.trust.fuzz import Fuzz, cases, failures
from tests.trust.support.fuzz.case import Case
from tests.trust.support.fuzz.generate import KINDS, case_of

CASES = 2000
SEED = 0


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_comes_in_gives_a_result_or_one_sentence(kind: str, tmp_path: Path) -> None:
    number = CASES * KINDS[kind] // sum(KINDS.values())
    with Fuzz(tmp_path / "fuzz") as fuzz:
        failed = [
            f"{case.name[:200]!a}: {problem[-1000:]}"
            for case, problem in failures(fuzz, islice(cases(SEED, kind), number))
        ]
    assert sum(fuzz.counts.values()) == number
    assert not failed, f"{len(failed)} of {number}, among them {failed[0]}"


def test_each_kind_has_cases_that_work_and_cases_that_are_refused(tmp_path: Path) -> None:
    """Otherwise it would test nothing."""
    with Fuzz(tmp_path / "fuzz") as fuzz:
        for kind in ("job", "layout", "arrays", "picture", "movie", "export"):
            list(failures(fuzz, islice(cases(SEED, kind), 40)))
            assert fuzz.counts[f"{kind}: done"], kind
            assert fuzz.counts[f"{kind}: refused"], kind


def test_a_case_depends_on_its_seed_and_number_only() -> None:
    assert [case_of(3, number) for number in range(60)] == [case_of(3, number) for number in range(60)]
    assert case_of(3, 7) != case_of(4, 7)


def test_a_case_is_kept_as_a_file() -> None:
    for number in range(40):
        case = case_of(1, number)
        assert Case.decode(case.encode("a problem")) == case
