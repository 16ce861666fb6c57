"""Minimum spacing: primitives with centers too close to each other are pushed apart.

Positions are float64 arrays here; results are float32 and keep the spacing exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...job import UserError
from ...native.arrays import BoolArray, FloatArray, IntArray
from ...native.elementary import sine_cosine

Points = NDArray[np.float64]  # [N, 2] px

TOLERANCE = 1e-3  # px
"""Tolerance of a spacing. The aim is larger by this much, so that rounding to float32 does not violate it."""

_BLOCK = 2**21  # pairs at once
_GOLDEN = math.pi * (3.0 - math.sqrt(5.0))
_EAGERNESS = 3.0  # factor on pushes: more than 1, because most points block each other
_PATIENCE = 300  # greatest number of rounds of settle(), ...
_SLACK = 1.02  # ... which aims at this multiple of the spacing, to end in a finite number of rounds
_MOMENTUM = 0.7  # saves four fifths of the rounds, but moves points more than necessary, so ...
_MOMENTUM_RISE = 0.01  # ... it rises by this much per round


def check_spacing(spacing: float, count: int, height: int, width: int) -> None:
    """Raises UserError where `count` centers do not fit on the canvas with this spacing in px."""
    if spacing <= 0.0 or len(_lattice(spacing + 2 * TOLERANCE, height, width)[0]) >= count:
        return
    longer = max(height, width)
    most = greatest_spacing(count, height, width) / longer
    raise UserError(
        f"{count:,} primitives do not fit on the canvas with a spacing of {spacing / longer:.4g} of its longer side: "
        f"set it to {math.floor(most * 1e4) / 1e4:.4g} at most, or use fewer primitives"
    )


def greatest_spacing(count: int, height: int, width: int) -> float:
    """Returns the greatest spacing in px at which `count` centers fit on the canvas, in a hexagonal lattice."""
    low, high = 0.5 * math.sqrt(height * width / count), float(max(height, width))  # `low` always fits
    for _ in range(40):
        middle = 0.5 * (low + high)
        fits = len(_lattice(middle + 2 * TOLERANCE, height, width)[0]) >= count
        low, high = (middle, high) if fits else (low, middle)
    return low


def spread(
    x: FloatArray,  # [N] px
    y: FloatArray,  # [N] px
    spacing: float,  # px
    movable: BoolArray | None,  # [N] None = all
    height: int,
    width: int,
    rounds: int = 4,
) -> tuple[FloatArray, FloatArray]:
    """Pushes centers apart that are closer than the spacing, in a few rounds: x [N], y [N].

    They stay on the canvas. The result is the same for any number of threads.
    """
    points = np.stack([x, y], 1).astype(np.float64)
    weight = _weights(points, movable)
    for _ in range(rounds):
        points, worst = _pushed(points, weight, spacing + TOLERANCE, height, width)
        if worst <= 0.0:
            break
    return _columns(points)


def settle(
    x: FloatArray,  # [N] px
    y: FloatArray,  # [N] px
    spacing: float,  # px
    movable: BoolArray | None,  # [N] None = all
    height: int,
    width: int,
) -> tuple[FloatArray, FloatArray]:
    """Spreads centers until any two are the spacing apart, to TOLERANCE px: x [N], y [N].

    Where they jam although they fit (check_spacing), they are put on a hexagonal lattice. That fails only where some
    may not move; then they are as far apart as pushing has brought them.
    """
    points = before = np.stack([x, y], 1).astype(np.float64)
    weight = _weights(points, movable)
    aim = spacing * _SLACK + TOLERANCE
    for step in range(_PATIENCE):
        going = (points + min(_MOMENTUM, _MOMENTUM_RISE * step) * (points - before)).clip(0.0, [width, height])
        going[weight == 0] = points[weight == 0]
        pushed, worst = _pushed(going, weight, aim, height, width)
        if aim - worst >= spacing + 0.5 * TOLERANCE:
            return _columns(going)
        points, before = pushed, points
    laid = _laid(points, weight, spacing + 2 * TOLERANCE, height, width)
    return _columns(points if laid is None else laid)


def pairs_within(points: Points, others: Points, reach: float) -> Iterator[tuple[IntArray, IntArray]]:
    """Yields blocks of all pairs (i of others, j of points) that are less than `reach` apart, by a grid of cells.

    i ascends. Memory is bounded by the points and one block, whatever the number of pairs.
    """
    if len(points) == 0 or len(others) == 0:
        return
    origin = points.min(0) - reach
    cells = np.floor((points - origin) / reach).astype(np.int64)
    columns = int(cells[:, 0].max()) + 2
    last = int(cells[:, 1].max()) + 1
    key = cells[:, 1] * columns + cells[:, 0]
    order = np.argsort(key, kind="stable")
    key = key[order]
    cell = np.floor((others - origin) / reach).clip(-2, [columns + 1, last + 2]).astype(np.int64)
    # Three cells side by side are one run of the sorted points.
    rows = cell[:, 1, None] + np.arange(-1, 2)
    left, right = (cell[:, 0, None] - 1).clip(0, columns), (cell[:, 0, None] + 1).clip(-1, columns - 1)
    begin = np.searchsorted(key, rows * columns + left)
    number = (np.searchsorted(key, rows * columns + right, side="right") - begin).clip(0)
    total = number.sum(1).cumsum()
    first = 0
    while first < len(others):
        done = total[first - 1] if first else 0
        end = max(first + 1, int(np.searchsorted(total, done + _BLOCK, side="right")))
        run = number[first:end].ravel()
        i = np.repeat(np.arange(first, end), 3).repeat(run)
        j = order[np.arange(run.sum()) + np.repeat(begin[first:end].ravel() - (run.cumsum() - run), run)]
        near = np.square(others[i] - points[j]).sum(1) < reach * reach
        yield i[near], j[near]
        first = end


def _weights(points: Points, movable: BoolArray | None) -> Points:
    """Returns 1 for points that may move, 0 for others: [N]."""
    return np.ones(len(points)) if movable is None else movable.astype(np.float64)


def _pushed(points: Points, weight: Points, reach: float, height: int, width: int) -> tuple[Points, float]:
    """Pushes all points from those that are too close. Returns them, and the greatest lack of distance in px."""
    shift, number = np.zeros_like(points), np.zeros(len(points))
    worst = 0.0
    for i, j in pairs_within(points, points, reach):
        chosen = (i != j) & (weight[i] + weight[j] > 0)
        i, j = i[chosen], j[chosen]
        if len(i) == 0:
            continue
        apart = points[i] - points[j]
        distance = np.sqrt(np.square(apart).sum(1))
        worst = max(worst, reach - float(distance.min()))
        # Two points in one place part in directions that depend only on their indices.
        sine, cosine = sine_cosine((_GOLDEN * np.minimum(i, j) % (2.0 * math.pi)).astype(np.float32))
        way = np.stack([cosine, sine], 1) * np.sign(i - j)[:, None]
        apart = np.where(distance[:, None] > 1e-9, apart / np.maximum(distance, 1e-9)[:, None], way)
        push = apart * ((reach - distance) * weight[i] / (weight[i] + weight[j]))[:, None]
        shift += np.stack([np.bincount(i, push[:, axis], len(points)) for axis in (0, 1)], 1)
        number += np.bincount(i, minlength=len(points))
    share = np.minimum(1.0, _EAGERNESS / np.maximum(number, 1.0))
    # Reflect at the edge: points that stop there jam along it.
    corner = np.array([width, height])
    moved = (corner - np.abs(corner - np.abs(points + shift * share[:, None]))).clip(0.0, corner)
    return np.where(weight[:, None] > 0, moved, points), worst


def _lattice(spacing: float, height: int, width: int) -> tuple[Points, int]:
    """Returns the sites of a hexagonal lattice on the canvas, row by row: [S, 2], and the axis of its rows.

    The axis is the one with more sites.
    """
    level, upright = _rows(spacing, height, width), _rows(spacing, width, height)[:, ::-1]
    return (level, 0) if len(level) >= len(upright) else (upright, 1)


def _rows(spacing: float, height: int, width: int) -> Points:
    step = spacing * math.sqrt(0.75)
    y, x = np.mgrid[: math.floor(height / step) + 1, : math.floor(width / spacing) + 1].astype(np.float64)
    sites = np.stack([(x + 0.5 * (y % 2)) * spacing, y * step], 2).reshape(-1, 2)
    return sites[sites[:, 0] <= width]


def _laid(points: Points, weight: Points, spacing: float, height: int, width: int) -> Points | None:
    """Puts the movable points on free sites of a lattice. Returns None where there are too few sites.

    It nearly keeps the order of the points: rows from top to bottom, and each from left to right.
    """
    sites, axis = _lattice(spacing, height, width)
    fixed = points[weight == 0]
    taken: list[Any] = [i for i, _ in pairs_within(fixed, sites, spacing)]
    free = np.delete(sites, np.unique(np.concatenate(taken)), 0) if taken else sites
    movable = np.flatnonzero(weight > 0)
    if len(free) < len(movable):
        return None
    chosen = free[np.arange(len(movable)) * len(free) // len(movable)]
    ranked = movable[np.argsort(points[movable, 1 - axis], kind="stable")]
    result = points.copy()
    for row in np.unique(chosen[:, 1 - axis]):
        of_row = np.flatnonzero(chosen[:, 1 - axis] == row)
        members = ranked[of_row]
        result[members[np.argsort(points[members, axis], kind="stable")]] = chosen[of_row]
    return result


def _columns(points: Points) -> tuple[FloatArray, FloatArray]:
    x, y = np.ascontiguousarray(points.T, np.float32)
    return x, y
