"""Numbering of the mip levels in use."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..templates import Templates
from .interface import Placement


class LevelNumbers:
    """Numbers the (template, level) pairs in use, in the order of their first use."""

    def __init__(self, templates: Templates) -> None:
        shape = (len(templates), *templates.level_count.amax(0).tolist())
        self._numbers = torch.full(shape, -1, dtype=torch.int64)
        self._count = 0

    def of(self, placement: Placement, add: Callable[[int, int, int], None]) -> Tensor:
        """The number of each primitive's pair: [N] int64. Calls add(template, level_u, level_v) for each new pair."""
        index = (placement.template, placement.level[:, 0], placement.level[:, 1])
        numbers = self._numbers[index]
        if (numbers < 0).any():
            for template, level_u, level_v in torch.stack(index, 1)[numbers < 0].unique(dim=0).tolist():
                self._numbers[template, level_u, level_v] = self._count
                self._count += 1
                add(template, level_u, level_v)
            numbers = self._numbers[index]
        return numbers
