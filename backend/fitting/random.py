"""Random numbers by counting: number i of a stream is a function of its seed, in Python and in C++ (csrc/random.h).

So a fit draws the same numbers on every machine and engine, whatever draws them and in however many threads.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..native.arrays import FloatArray, IntArray

_STEP = 0x9E3779B97F4A7C15
_SEED_STEP = 0xD1342543DE82EF95
_FIRST_FACTOR, _SECOND_FACTOR = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WHOLE = 2**64 - 1


class Random:
    """A stream of random numbers (SplitMix64: Steele, Lea and Flood, 2014). Each draw goes on where the last one ended.

    Streams of one seed are independent. Native code takes `key` and the counters that take() reserves for it.
    """

    def __init__(self, seed: int, stream: int = 0) -> None:
        """Starts a stream. seed, stream: any integers; they count modulo 2^64."""
        self.key = _mixed((seed * _SEED_STEP + stream * _STEP + 1) & _WHOLE)
        """What native code needs to draw: 64 bits."""
        self._counter = 0

    def take(self, count: int) -> int:
        """Reserves this many numbers for native code, and returns the counter of the first."""
        first = self._counter
        self._counter += count
        return first

    def uniform(self, *shape: int) -> FloatArray:
        """Draws from [0, 1), evenly, in steps of 2^-24: float32 of this shape."""
        return (self._bits(shape) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)

    def uniform64(self, *shape: int) -> NDArray[np.float64]:
        """Draws from [0, 1), evenly, in steps of 2^-53: float64 of this shape."""
        return (self._bits(shape) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integers(self, most: int, *shape: int) -> IntArray:
        """Draws whole numbers from 0 to most - 1: int64 of this shape. most: from 1 to 2^32."""
        return (((self._bits(shape) >> np.uint64(32)) * np.uint64(most)) >> np.uint64(32)).astype(np.int64)

    def _bits(self, shape: tuple[int, ...]) -> NDArray[np.uint64]:
        count = math.prod(shape)
        first = self.take(count) + 1
        index = np.arange(first, first + count, dtype=np.uint64)
        bits = np.uint64(self.key) + index * np.uint64(_STEP)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(_FIRST_FACTOR)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(_SECOND_FACTOR)
        return (bits ^ (bits >> np.uint64(31))).reshape(shape)


def _mixed(value: int) -> int:
    value = (value ^ (value >> 30)) * _FIRST_FACTOR & _WHOLE
    value = (value ^ (value >> 27)) * _SECOND_FACTOR & _WHOLE
    return value ^ (value >> 31)
