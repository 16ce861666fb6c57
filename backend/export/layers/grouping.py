"""Groups layers by kind, without a change to the picture."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def grouped(
    kinds: NDArray[Any],  # [N], front first
    boxes: IntArray,  # [N, 4] left, top, right, bottom: bounds of each
) -> list[list[int]]:
    """Returns groups of one kind each, front first: lists of indices, front first.

    Two that overlap stay in their order; others may change it, so that there are few groups: a group takes all of its
    kind that may come next; then the kind with the most of those follows.
    """
    count = len(kinds)
    behind = list(_overlapping(boxes))
    waits = np.zeros(count, np.int64)  # for how many in front of it
    for those in behind:
        waits[those] += 1
    ready: dict[Any, list[int]] = {}
    for index in np.flatnonzero(waits == 0).tolist():
        ready.setdefault(kinds[index], []).append(index)
    for heap in ready.values():
        heapify(heap)
    groups: list[list[int]] = []
    while ready:
        kind = max(ready, key=lambda name: (len(ready[name]), -ready[name][0]))
        group: list[int] = []
        while kind in ready:
            index = heappop(ready[kind])
            if not ready[kind]:
                del ready[kind]
            group.append(index)
            waits[behind[index]] -= 1
            for freed in behind[index][waits[behind[index]] == 0].tolist():
                heappush(ready.setdefault(kinds[freed], []), freed)
        groups.append(group)
    return groups


def _overlapping(boxes: IntArray) -> Iterator[IntArray]:
    """Yields for each box the later ones that share pixels with it."""
    left, top, right, bottom = boxes.T
    for i in range(len(boxes)):
        after = slice(i + 1, None)
        across = (left[after] < right[i]) & (right[after] > left[i])
        yield i + 1 + np.flatnonzero(across & (top[after] < bottom[i]) & (bottom[after] > top[i]))
