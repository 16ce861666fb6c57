"""Thins the samples of curves to keys, so that the cubics between them pass the others within a tolerance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_EXACT = 1e-12
"""Stands for a tolerance of 0 as a divisor."""


def thinned(
    times: FloatArray,  # [F] ascending
    values: FloatArray,  # [C, F]
    tolerance: FloatArray,  # [C, F] of the value; infinite = the sample does not matter
    steps: BoolArray,  # [C, F] the curve jumps between the sample before and this one
) -> tuple[BoolArray, FloatArray]:
    """Returns the keys [C, F] of C curves, and the slopes [C, F] there, values by time.

    Between two keys runs the cubic with the slopes of the samples. Samples that do not matter are no keys; they divide
    a curve into runs, as steps do. A run that is constant within the tolerance has one key. From a run's last key on
    the caller holds the value.
    """
    matters = np.isfinite(tolerance)
    joined = matters[:, 1:] & matters[:, :-1] & ~steps[:, 1:]  # [C, F - 1] within a run
    slopes = _slopes(times, values, joined)
    first, last = matters.copy(), matters.copy()
    first[:, 1:] &= ~joined
    last[:, :-1] &= ~joined
    # A run whose samples are all near enough to the first needs only that key.
    index = np.arange(values.shape[1])
    start = np.maximum.accumulate(np.where(first, index, 0), 1)
    apart = np.abs(values - np.take_along_axis(values, start, 1)) > np.where(matters, tolerance, np.inf)
    moving = np.maximum.accumulate(np.where(apart, index, -1), 1) >= start  # somewhere up to here
    keys = first | (last & moving)
    if not keys.any():
        return keys, slopes
    moves = np.take_along_axis(moving, np.minimum.accumulate(np.where(last, index, index[-1])[:, ::-1], 1)[:, ::-1], 1)
    open_ = (moves & matters).any(1).nonzero()[0]
    while len(open_):
        rows, columns = _exceeding(times, values[open_], tolerance[open_], slopes[open_], keys[open_], moves[open_])
        keys[open_[rows], columns] = True
        open_ = open_[np.unique(rows)]
    return keys, slopes


def _slopes(times: FloatArray, values: FloatArray, joined: BoolArray) -> FloatArray:
    """Returns the slopes between the neighbors in the same run on both sides, or on one: [C, F]."""
    rise = np.where(joined, np.diff(values, axis=1), 0.0)
    span = np.where(joined, np.diff(times), 0.0)
    total_rise, total_span = np.zeros_like(values), np.zeros_like(values)
    for part in (np.s_[:, :-1], np.s_[:, 1:]):
        total_rise[part] += rise
        total_span[part] += span
    return total_rise / np.where(total_span > 0, total_span, 1.0)


def _exceeding(
    times: FloatArray,
    values: FloatArray,  # [C, F]
    tolerance: FloatArray,  # [C, F]
    slopes: FloatArray,  # [C, F]
    keys: BoolArray,  # [C, F]
    moves: BoolArray,  # [C, F]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the worst sample beyond its tolerance between each two keys: rows and columns."""
    index = np.arange(len(times))
    before = np.maximum.accumulate(np.where(keys, index, 0), 1)
    after = np.minimum.accumulate(np.where(keys, index, index[-1])[:, ::-1], 1)[:, ::-1]
    inside = moves & ~keys & np.isfinite(tolerance)
    rows, columns = inside.nonzero()
    p, q = before[rows, columns], after[rows, columns]
    curve = cubic(
        times[p], values[rows, p], slopes[rows, p], times[q], values[rows, q], slopes[rows, q], times[columns]
    )
    error = np.abs(curve - values[rows, columns]) / np.maximum(tolerance[rows, columns], _EXACT)
    wrong = error > 1.0
    rows, columns, p, error = rows[wrong], columns[wrong], p[wrong], error[wrong]
    order = np.lexsort((error, p, rows))
    rows, columns, p = rows[order], columns[order], p[order]
    worst = np.ones(len(rows), np.bool_)
    worst[:-1] = (rows[1:] != rows[:-1]) | (p[1:] != p[:-1])
    return rows[worst], columns[worst]


def cubic(
    t0: FloatArray, v0: FloatArray, s0: FloatArray, t1: FloatArray, v1: FloatArray, s1: FloatArray, t: FloatArray
) -> FloatArray:
    """Evaluates Hermite's cubic through two points (time, value) with these slopes, at times between them."""
    span = t1 - t0
    u = (t - t0) / span
    rest = 1.0 - u
    return rest * rest * ((1.0 + 2.0 * u) * v0 + u * span * s0) + u * u * ((3.0 - 2.0 * u) * v1 - rest * span * s1)
