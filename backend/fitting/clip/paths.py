"""Smooth paths of primitives through a shot: uniform cubic B-splines, each on its own clock.

An appearance of a primitive, from where it fades in to where it fades out, has one spline for all its parameters. Its
clock stops while the primitive is still, which keeps it unchanged, and runs faster where the target changes more
beneath it, so that the spline is as stiff as the target allows. Values of a spline lie between its control points, so
limits of these hold for the whole path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Paths:
    """N primitives over F frames with K control points in all."""

    base: Tensor  # [F, N] int64, first of the four control points
    weight: Tensor  # [F, N, 4]
    owner: Tensor  # [K] int64, primitive
    first: Tensor  # [K] bool: first control point of its appearance
    last: Tensor  # [K] bool: last control point of its appearance

    @classmethod
    def of(cls, begins: Tensor, rate: Tensor) -> Paths:
        """Makes the paths of primitives from the beginnings of their appearances and the rates of their clocks.

        begins: [F, N] bool, whether an appearance begins with this frame (all do with the first one).
        rate: [F, N] knots by which the clock advances since the previous frame, from 0 to 1.
        """
        frames, count = begins.shape
        begins = begins.clone()
        begins[0] = True
        # A clock in exact steps, so that equal times have equal weights.
        clock = torch.where(begins, 0, (rate * _TICKS).round().long())
        elapsed = clock.cumsum(0)
        start = torch.where(begins, elapsed, -1).cummax(0).values
        elapsed = elapsed - start
        ends = torch.cat([begins[1:], torch.ones_like(begins[:1])])
        knots = torch.where(ends, elapsed // _TICKS + 4, 0)  # control points, at the last frame of each appearance
        # Appearances are numbered primitive by primitive, in the order of time.
        size = knots.T.reshape(-1)
        behind = size.cumsum(0)
        offset_at_end = (behind - size).view(count, frames).T
        marked = torch.where(ends, offset_at_end, -1)
        offset = marked.flip(0)
        # The number at the end applies back to the beginning: take the nearest one that follows.
        nearest = torch.where(ends.flip(0), torch.arange(frames)[:, None], -1).cummax(0).values
        offset = offset.gather(0, nearest).flip(0)
        base = offset + elapsed // _TICKS
        weight = _cubic((elapsed % _TICKS).float() / _TICKS)
        total = int(behind[-1]) if count else 0
        owner = torch.arange(count).repeat_interleave(size.view(count, frames).sum(1))
        first, last = torch.zeros(total, dtype=torch.bool), torch.zeros(total, dtype=torch.bool)
        heads, lengths = offset_at_end[ends], knots[ends]
        first[heads], last[heads + lengths - 1] = True, True
        return cls(base, weight, owner, first, last)

    def to(self, device: torch.device) -> Paths:
        return Paths(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def pace(self, rate: Tensor) -> Tensor:
        """Returns the mean of the rates [F, N] about each control point: [K]."""
        total, share = torch.zeros(self.size, 1), torch.zeros(self.size, 1)
        for frame, values in enumerate(rate):
            self.add(total, values[:, None], frame)
            self.add(share, torch.ones_like(values)[:, None], frame)
        return (total / share.clamp_min(1e-6))[:, 0]

    @property
    def size(self) -> int:
        return len(self.owner)

    def at(self, points: Tensor, frame: int, who: Tensor | slice = slice(None)) -> Tensor:
        """Evaluates control points [K, C] in a frame for primitives `who` (index [M], or all): [M, C]."""
        base, weight = self.base[frame, who], self.weight[frame, who]
        return torch.stack([points[base + j] * weight[:, j : j + 1] for j in range(4)]).sum(0)

    def add(self, total: Tensor, values: Tensor, frame: int, who: Tensor | slice = slice(None)) -> None:
        """Adds values [M, C] in a frame to their control points in total [K, C]: the transpose of at()."""
        base, weight = self.base[frame, who], self.weight[frame, who]
        for j in range(4):
            total.index_add_(0, base + j, values * weight[:, j : j + 1])

    def bent(self, points: Tensor) -> Tensor:
        """Returns the second differences of control points [K, C], 0 at both ends of each appearance."""
        result = torch.zeros_like(points)
        result[1:-1] = points[:-2] - 2.0 * points[1:-1] + points[2:]
        result[self.first | self.last] = 0.0
        return result

    def unbent(self, bends: Tensor) -> Tensor:
        """Returns the transpose of bent(), on bends [K, C]."""
        inner = bends.masked_fill((self.first | self.last)[:, None], 0.0)
        result = -2.0 * inner
        result[:-1] += inner[1:]
        result[1:] += inner[:-1]
        return result

    def fitted(self, values: Sequence[Tensor], stiffness: float = 1e-3) -> Tensor:
        """Fits control points [K, C] to values [N, C] of each frame, by least squares.

        stiffness: weight of the bends. Each column is solved by conjugate gradients.
        """
        right, share = values[0].new_zeros(self.size, values[0].shape[1]), values[0].new_zeros(self.size, 1)
        for frame, value in enumerate(values):
            self.add(right, value, frame)
            self.add(share, torch.ones_like(value[:, :1]), frame)
        # Start with the mean of the nearby values; a control point that no frame determines stays there.
        points = right / share.clamp_min(1e-6)

        def applied(x: Tensor) -> Tensor:
            result = _RIDGE * x + stiffness * self.unbent(self.bent(x))
            for frame in range(len(values)):
                self.add(result, self.at(x, frame), frame)
            return result

        residual = right + _RIDGE * points - applied(points)
        direction, dot = residual.clone(), residual.square().sum(0)
        enough = _ACCURACY * dot
        for _ in range(_ROUNDS):
            open_ = dot > enough
            image = applied(direction)
            step = torch.where(open_, dot / (direction * image).sum(0).clamp_min(_TINY), 0.0)
            points = points + step * direction
            residual = residual - step * image
            after = torch.where(open_, residual.square().sum(0), dot)
            direction = residual + after / dot.clamp_min(_TINY) * direction
            dot = after
        return points


_RIDGE = 1e-5
"""Weight of the distance from the start of the solution."""

_ROUNDS, _ACCURACY, _TINY = 60, 1e-12, 1e-30

_TICKS = 840
"""Steps of a clock from knot to knot: divisible by the usual rates."""


def _cubic(u: Tensor) -> Tensor:
    """Returns the weights of the uniform cubic B-spline at times u [...] between two knots, in [0, 1): [..., 4]."""
    v = 1.0 - u
    return torch.stack([v**3, 3 * u**3 - 6 * u**2 + 4, 3 * v**3 - 6 * v**2 + 4, u**3], -1) / 6.0
