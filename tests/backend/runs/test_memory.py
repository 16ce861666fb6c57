"""Lack of memory: the sentence names what is too large."""

from __future__ import annotations

import pytest

from backend.job import UserError
from backend.runs.memory import LAYOUT, memory_errors_named


def test_what_is_too_large_is_named() -> None:
    sentence = "too little memory for a picture of this size: halve it"
    with pytest.raises(UserError, match=sentence) as caught, memory_errors_named():
        raise MemoryError
    assert caught.value.action == "halve_size"
    sentence = "too little memory for a layout of this size: use one of fewer"
    with pytest.raises(UserError, match=sentence) as caught, memory_errors_named(), memory_errors_named(LAYOUT):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    assert caught.value.action == ""


def test_other_errors_are_passed_on() -> None:
    with pytest.raises(RuntimeError, match="of another kind"), memory_errors_named():
        raise RuntimeError("of another kind")
