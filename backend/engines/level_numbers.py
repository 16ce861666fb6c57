"""Numbering of the mip levels in use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..native.arrays import IntArray
from ..templates import Templates


class LevelNumbers:
    """Numbers the (template, level) pairs in use, in the order of their first use."""

    def __init__(self, templates: Templates) -> None:
        self._numbers = np.full((len(templates), *templates.level_count.max(0)), -1, np.int64)
        self._count = 0

    def of(self, template: IntArray, level: IntArray, add: Callable[[int, int, int], None]) -> IntArray:
        """The number of each primitive's pair: [N] int64. Calls add(template, level_u, level_v) for each new pair."""
        index = (template, level[:, 0], level[:, 1])
        numbers = self._numbers[index]
        if (numbers < 0).any():
            missing = np.stack(index, 1)[numbers < 0]
            for key in np.unique(missing, axis=0).tolist():
                add(*key)
                self._numbers[tuple(key)] = self._count
                self._count += 1
            numbers = self._numbers[index]
        return numbers
