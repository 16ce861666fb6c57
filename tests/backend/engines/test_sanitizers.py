"""The engines' tests with libraries that stop at undefined behavior, for each instruction set of this processor."""

from __future__ import annotations

import os

import pytest

from tests.backend.engines.support import sanitizers
from tests.backend.engines.test_fuzz import LEVELS

FOLDER = "tests/backend/engines"
# Once for an instruction set; the tests of all sets are chosen by its number.
FOR_ALL = "matches_the_reference or from_afar_on_the_cpu or million"
# The reference is made of PyTorch alone, which is built without checks.
OTHERS = "card or cuda or in_the_reference or reference]"


@pytest.fixture(scope="module")
def clang() -> None:
    if why := sanitizers.missing():
        if os.environ.get("CI") and not why.startswith("the sanitizers are loaded"):
            pytest.fail(why)
        pytest.skip(why)


def passes(level: int, chosen: str, *modules: str) -> None:
    program = ["pytest", *(f"{FOLDER}/{module}" for module in modules), "-q", "-x", "-n", "0", "-k", chosen]
    code, said = sanitizers.run(program, level, timeout=880)
    assert code == 0, said
    assert "passed" in said


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("clang")
@pytest.mark.parametrize("level", LEVELS)
def test_the_cpu_engine_is_defined(level: int | None) -> None:
    number = level or 0
    own = f"[{number}-linear-0 or [{number}]" if number else FOR_ALL
    passes(number, f"not ({OTHERS}) and (not ({FOR_ALL}) or {own})", "test_engines.py", "test_fuzz.py")


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("clang")
def test_the_kernels_for_cards_are_defined() -> None:
    passes(0, "cuda_engine_draws or afar_on_a_card", "test_fuzz.py")


@pytest.mark.usefixtures("clang")
def test_a_wrong_access_is_reported() -> None:
    """The runtime, the library and the reports work together: numbers after the end of an array are read."""
    code, said = sanitizers.run(["tests.backend.engines.support.wrong_access"])
    assert code != 0
    assert "AddressSanitizer: heap-buffer-overflow" in said
    assert "build/sanitized/diffbmp-" in said
