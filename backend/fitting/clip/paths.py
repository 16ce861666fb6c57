"""Smooth paths of primitives through a shot: uniform cubic B-splines, each on its own clock.

An appearance of a primitive, from where it fades in to where it fades out, has one spline for all its parameters. Its
clock stops while the primitive is still, which keeps it unchanged, and runs faster where the target changes more
beneath it, so that the spline is as stiff as the target allows. Values of a spline lie between its control points, so
limits of these hold for the whole path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...native.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Paths:
    """N primitives over F frames with K control points in all."""

    base: IntArray  # [F, N] first of the four control points
    weight: FloatArray  # [F, N, 4]
    owner: IntArray  # [K] primitive
    first: BoolArray  # [K] first control point of its appearance
    last: BoolArray  # [K] last control point of its appearance

    @classmethod
    def of(cls, begins: BoolArray, rate: FloatArray) -> Paths:
        """Makes the paths of primitives from the beginnings of their appearances and the rates of their clocks.

        begins: [F, N], whether an appearance begins with this frame (all do with the first one).
        rate: [F, N] knots by which the clock advances since the previous frame, from 0 to 1.
        """
        frames, count = begins.shape
        begins = begins.copy()
        begins[0] = True
        # A clock in exact steps, so that equal times have equal weights.
        clock = np.where(begins, 0, np.rint(rate * np.float32(_TICKS)).astype(np.int64))
        elapsed = clock.cumsum(0)
        elapsed -= np.maximum.accumulate(np.where(begins, elapsed, -1))
        ends = np.concatenate([begins[1:], np.ones_like(begins[:1])])
        knots = np.where(ends, elapsed // _TICKS + 4, 0)  # control points, at the last frame of each appearance
        # Appearances are numbered primitive by primitive, in the order of time.
        size = knots.T.reshape(-1)
        behind = size.cumsum()
        offset_at_end = (behind - size).reshape(count, frames).T
        # The number at the end applies back to the beginning: take the nearest one that follows.
        nearest = np.maximum.accumulate(np.where(ends[::-1], np.arange(frames)[:, None], -1))
        offset = np.take_along_axis(offset_at_end[::-1], nearest, 0)[::-1]
        base = offset + elapsed // _TICKS
        weight = _cubic((elapsed % _TICKS).astype(np.float32) / np.float32(_TICKS))
        total = int(behind[-1]) if count else 0
        owner = np.repeat(np.arange(count), size.reshape(count, frames).sum(1))
        first, last = np.zeros(total, np.bool_), np.zeros(total, np.bool_)
        heads, lengths = offset_at_end[ends], knots[ends]
        first[heads], last[heads + lengths - 1] = True, True
        return cls(base, weight, owner, first, last)

    def pace(self, rate: FloatArray) -> FloatArray:
        """Returns the mean of the rates [F, N] about each control point: [K]."""
        total, share = np.zeros((2, self.size, 1), np.float32)
        for frame, values in enumerate(rate):
            self.add(total, values[:, None], frame)
            self.add(share, np.ones_like(values)[:, None], frame)
        return (total / np.maximum(share, 1e-6))[:, 0]

    @property
    def size(self) -> int:
        return len(self.owner)

    def at(self, points: FloatArray, frame: int, who: IntArray | slice = slice(None)) -> FloatArray:
        """Evaluates control points [K, C] in a frame for primitives `who` (index [M], or all): [M, C]."""
        base, weight = self.base[frame, who], self.weight[frame, who]
        result = points[base] * weight[:, :1]
        for j in range(1, 4):
            result += points[base + j] * weight[:, j : j + 1]
        return result

    def add(self, total: FloatArray, values: FloatArray, frame: int, who: IntArray | slice = slice(None)) -> None:
        """Adds values [M, C] in a frame to their control points in total [K, C]: the transpose of at().

        who: each primitive at most once.
        """
        base, weight = self.base[frame, who], self.weight[frame, who]
        for j in range(4):
            # No two primitives have a control point in common.
            total[base + j] += values * weight[:, j : j + 1]

    def bent(self, points: FloatArray) -> FloatArray:
        """Returns the second differences of control points [K, C], 0 at both ends of each appearance."""
        result = np.zeros_like(points)
        result[1:-1] = points[:-2] - 2.0 * points[1:-1] + points[2:]
        result[self.first | self.last] = 0.0
        return result

    def unbent(self, bends: FloatArray) -> FloatArray:
        """Returns the transpose of bent(), on bends [K, C]."""
        inner = bends.copy()
        inner[self.first | self.last] = 0.0
        result = -2.0 * inner
        result[:-1] += inner[1:]
        result[1:] += inner[:-1]
        return result

    def fitted(self, values: Sequence[FloatArray], stiffness: float = 1e-3) -> FloatArray:
        """Fits control points [K, C] to values [N, C] of each frame, by least squares.

        stiffness: weight of the bends. Each column is solved by conjugate gradients.
        """
        right, share = (np.zeros((self.size, columns), np.float32) for columns in (values[0].shape[1], 1))
        for frame, value in enumerate(values):
            self.add(right, value, frame)
            self.add(share, np.ones_like(value[:, :1]), frame)
        # Start with the mean of the nearby values; a control point that no frame determines stays there.
        points = right / np.maximum(share, 1e-6)

        def applied(x: FloatArray) -> FloatArray:
            result = _RIDGE * x + stiffness * self.unbent(self.bent(x))
            for frame in range(len(values)):
                self.add(result, self.at(x, frame), frame)
            return result

        residual = right + _RIDGE * points - applied(points)
        direction, dot = residual.copy(), _dot(residual, residual)
        enough = _ACCURACY * dot
        for _ in range(_ROUNDS):
            open_ = dot > enough
            if not open_.any():
                break
            image = applied(direction)
            step = np.where(open_, dot / np.maximum(_dot(direction, image), _TINY), 0.0).astype(np.float32)
            points += step * direction
            residual -= step * image
            after = np.where(open_, _dot(residual, residual), dot)
            direction *= (after / np.maximum(dot, _TINY)).astype(np.float32)
            direction += residual
            dot = after
        return points


_RIDGE = 1e-5
"""Weight of the distance from the start of the solution."""

_ROUNDS, _ACCURACY, _TINY = 60, 1e-12, 1e-30

_TICKS = 840
"""Steps of a clock from knot to knot: divisible by the usual rates."""


def _dot(a: FloatArray, b: FloatArray) -> NDArray[np.float64]:
    """Returns the scalar product of each column of two arrays [K, C]: [C]."""
    return (a * b).sum(0, dtype=np.float64)


def _cubic(u: FloatArray) -> FloatArray:
    """Returns the weights of the uniform cubic B-spline at times u [...] between two knots, in [0, 1): [..., 4]."""
    v = np.float32(1.0) - u
    parts = [v * v * v, 3 * u * u * u - 6 * u * u + 4, 3 * v * v * v - 6 * v * v + 4, u * u * u]
    return np.stack(parts, -1) / np.float32(6.0)
