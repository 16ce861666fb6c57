"""The levels of primitives, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from backend.fitting.random import Random
from backend.templates import LEVELS_PER_OCTAVE, Template, Templates


@pytest.mark.parametrize("bias", [0.125, 0.3, 1.0])
def test_levels_are_the_finest_with_few_texels_a_pixel(bias: float) -> None:
    sizes = [(1, 1), (40, 100), (97, 96), (7, 300)]
    templates = Templates([Template("stamp", np.full((*size, 4), 255, np.uint8)) for size in sizes])
    random, count = Random(1), 20_000
    template = random.integers(len(sizes), count)
    scale, aspect = (np.float32(10.0) ** (random.uniform(count) * 6 - 3) for _ in range(2))
    # Exactly `bias` texels per pixel, and what no fit should make.
    scale[:4], aspect[:4] = 50.0 / bias, 1.0
    template[:8] = 1
    scale[4:8], aspect[4:8] = [np.inf, np.nan, 0.0, 1.0], [1.0, 1.0, 1.0, np.inf]
    with np.errstate(all="ignore"):
        root = np.sqrt(aspect)
        axes = np.maximum(np.stack([scale * root, scale / root], 1), np.float32(1e-6))
        texels = templates.longer_side[template, None].astype(np.float32) / (np.float32(2.0 * bias) * axes)
    most = [2.0 ** ((level + 1e-4) / LEVELS_PER_OCTAVE) for level in range(64)]
    # NaN sorts behind all others.
    level = np.searchsorted(most, np.nan_to_num(texels, nan=0.0, posinf=np.inf))
    expected = np.minimum(level, templates.level_count[template] - 1)
    assert np.array_equal(templates.choose_levels(template, scale, aspect, bias), expected)
