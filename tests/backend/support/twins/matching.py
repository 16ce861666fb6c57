"""The twin of csrc/match_cpu.cpp: every pair of candidates and primitives is compared, with lists and sets."""

from __future__ import annotations

import numpy as np

from backend.fitting.constraints.conflicts import Conflicts
from backend.native.arrays import FloatArray, IntArray


def matched(
    loss: FloatArray,
    owner: IntArray,
    gain: FloatArray,
    template: IntArray,
    counts: IntArray,
    capacity: IntArray,
    conflicts: Conflicts,
) -> tuple[list[int], list[int]]:
    """See usage.match."""
    room = (capacity - counts).tolist()
    left = list(range(len(loss)))
    removed: list[int] = []
    added: list[int] = []
    for candidate, value in enumerate(gain.tolist()):
        kind = int(template[candidate])
        open_to = [k for k in left if room[kind] > 0 or owner[k] == kind]
        if not open_to or value <= loss[open_to[0]] or conflict(conflicts, candidate, open_to[0], added, removed):
            continue
        victim = open_to[0]
        left.remove(victim)
        room[int(owner[victim])] += 1
        room[kind] -= 1
        removed.append(victim)
        added.append(candidate)
    return removed, added


def conflict(conflicts: Conflicts, candidate: int, victim: int, added: list[int], removed: list[int]) -> bool:
    """Says whether a candidate in place of a victim lies on one of `added`, or near a primitive that stays."""
    position, radius = conflicts.position.astype(np.float64), conflicts.radius.astype(np.float64)
    apart = np.hypot(*(position[added] - position[candidate]).T)
    reach = np.maximum(conflicts.separation * (radius[added] + radius[candidate]), conflicts.spacing)
    if (apart < reach).any():
        return True
    if conflicts.spacing <= 0.0 or conflicts.primitives is None or conflicts.victims is None:
        return False
    stays = np.ones(len(conflicts.primitives), np.bool_)
    stays[conflicts.victims[[*removed, victim]]] = False
    apart = np.hypot(*(conflicts.primitives[stays].astype(np.float64) - position[candidate]).T)
    return bool((apart < conflicts.spacing).any())
