"""The stamps of the recipe `paper`: 128 texels large, and blurred for training, so that gradients reach farther."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...native.arrays import IntArray
from ...pictures.filters import bell, window_sums
from ...templates import LEVELS_PER_OCTAVE, ByteArray, Templates

PUBLISHED_SIDE = 128
"""Texels of a stamp's longer side."""
BLUR = 1.0
"""Sigma of the blur, in texels of a stamp of this size."""


def paper_levels(templates: Templates) -> IntArray:
    """Returns the mip level nearest to the published size, per template and axis: [T, 2]; 0 for small stamps.

    It applies to primitives of any size: point-sampled small ones are part of the published look.
    """
    sides = templates.longer_side.tolist()
    level = [max(0, round(LEVELS_PER_OCTAVE * math.log2(side / PUBLISHED_SIDE))) for side in sides]
    return np.minimum(np.array(level)[:, None], templates.level_count - 1)


def blurred_templates(templates: Templates) -> Templates:
    """Returns the stamps for training: the level (0, 0) of each is the level of paper_levels with blurred alpha."""
    levels = paper_levels(templates).tolist()
    items = [
        replace(item, pixels=blurred(templates.bitmap(index, *levels[index])))
        for index, item in enumerate(templates.items)
    ]
    return Templates(items)


def blurred(rgba: ByteArray) -> ByteArray:
    """Returns a stamp with Gaussian-blurred alpha: uint8 [h, w, 4].

    The blur extends it across its shorter sides; it is cut off at the longer ones, so that its local square does not
    change.
    """
    longer = max(rgba.shape[:2])
    sigma = BLUR * longer / PUBLISHED_SIDE
    reach = round(3.0 * sigma)
    rows, columns = (min(reach, (longer - side) // 2) for side in rgba.shape[:2])
    result = np.pad(rgba, ((rows, rows), (columns, columns), (0, 0)), mode="edge")
    alpha = np.pad(rgba[..., 3].astype(np.float32), ((rows + reach,) * 2, (columns + reach,) * 2))
    result[..., 3] = np.rint(window_sums(alpha, bell(sigma, reach)))
    return result
