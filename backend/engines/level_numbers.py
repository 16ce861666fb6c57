"""Numbers for the mip levels that are in use."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..templates import Templates
from .interface import Placement


class LevelNumbers:
    """Numbers the (template, level) pairs that are in use, in the order in which they turn up."""

    def __init__(self, templates: Templates) -> None:
        shape = (len(templates), *templates.level_count.amax(0).tolist())
        self._numbers = torch.full(shape, -1, dtype=torch.int64)
        self._count = 0

    def of(self, placement: Placement, add: Callable[[int, int, int], None]) -> Tensor:
        """The pair's number for each primitive: [N] int64. add: called with each new template, level_u, level_v."""
        index = (placement.template, placement.level[:, 0], placement.level[:, 1])
        numbers = self._numbers[index]
        if (numbers < 0).any():
            for template, level_u, level_v in torch.stack(index, 1)[numbers < 0].unique(dim=0).tolist():
                self._numbers[template, level_u, level_v] = self._count
                self._count += 1
                add(template, level_u, level_v)
            numbers = self._numbers[index]
        return numbers
