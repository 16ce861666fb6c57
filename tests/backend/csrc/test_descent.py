"""The levels that a fit draws are those of its layout."""

from __future__ import annotations

from ctypes import c_float, c_int64

import numpy as np
import pytest
from numpy.ctypeslib import ndpointer

from backend.fitting.random import Random
from backend.native.calls import FLOATS, INTS, function
from backend.templates import Template, Templates

LONGS = ndpointer(np.int64, flags="C_CONTIGUOUS")


@pytest.mark.parametrize("bias", [0.125, 0.3, 1.0])
def test_levels_are_those_of_the_templates(bias: float) -> None:
    sizes = [(1, 1), (40, 100), (97, 96), (7, 300)]
    templates = Templates([Template("stamp", np.full((*size, 4), 255, np.uint8)) for size in sizes])
    facts = np.concatenate([np.asarray(templates.longer_side)[:, None], np.asarray(templates.level_count)], 1)
    random, count = Random(1), 20_000
    template = random.integers(len(sizes), count)
    scale, aspect = (np.float32(10.0) ** (random.uniform(count) * 6 - 3) for _ in range(2))
    # Exactly `bias` texels per pixel, and what no fit should make.
    scale[:4], aspect[:4] = 50.0 / bias, 1.0
    template[:4] = 1
    scale[4:8], aspect[4:8] = [np.inf, np.nan, 0.0, 1.0], [1.0, 1.0, 1.0, np.inf]
    level = np.empty((count, 2), np.int64)
    choose = function("diffbmp_choose_levels", INTS, LONGS, FLOATS, FLOATS, c_int64, c_float, LONGS)
    choose(facts.astype(np.int32), template, scale, aspect, count, bias, level)
    with np.errstate(all="ignore"):
        assert np.array_equal(level, templates.choose_levels(template, scale, aspect, bias))
