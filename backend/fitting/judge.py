"""The judge of a fit: compares it with its goal, on the real background."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from ..engines.interface import STRIP_SAMPLES, Engine, Placement
from ..native.arrays import FloatArray
from ..pictures.color import encode
from .goal import Goal

BEST_PSNR = 100.0  # dB, reported for pictures that are equal

_ROWS = 64
"""Rows compared at once: little memory that stays in the caches."""


class Judge:
    """Renders params [N, 9] (colors as composited) on the goal's background, and compares them with the target.

    Large canvases are rendered in strips.
    """

    def __init__(
        self,
        engine: Engine,
        goal: Goal,
        *,
        linear: bool = False,
        strip: Callable[[int], Engine] | None = None,  # makes an engine of this height; None = never in strips
    ) -> None:
        """Raises UserError where nothing of the goal counts."""
        self._engine, self._target, self._linear = engine, goal.target, linear
        self._weight = goal.weights
        self._total = 3.0 * float(self._weight.sum(dtype=np.float64))
        height, width = goal.target.shape[1:]
        self._rows = height if strip is None else min(height, max(1, STRIP_SAMPLES // width))
        if strip is not None and self._rows < height:
            self._engine = strip(self._rows)
        shape = (3, self._rows, width)
        self._background = np.ascontiguousarray(np.broadcast_to(goal.backdrop(linear), shape))

    def __call__(self, params: FloatArray, placement: Placement) -> tuple[FloatArray, float]:
        """Returns the image [3, H, W], display-encoded, and its PSNR where the target counts, in dB."""
        image, error = np.empty_like(self._target), 0.0
        for top, strip in self._strips(params, placement):
            image[:, top : top + strip.shape[1]] = strip
            error += self._error(strip, top)
        return image, self._decibels(error)

    def psnr(self, params: FloatArray, placement: Placement) -> float:
        """Returns the PSNR alone, without memory for the whole image."""
        return self._decibels(sum(self._error(strip, top) for top, strip in self._strips(params, placement)))

    def _strips(self, params: FloatArray, placement: Placement) -> Iterator[tuple[int, FloatArray]]:
        """Yields the first row and the image [3, rows, W] of each strip, which do not overlap."""
        height = self._target.shape[1]
        for begin in range(0, height, self._rows):
            # The last one begins earlier than needed, so that the same engine draws it.
            top = min(begin, height - self._rows)
            moved = params
            if top > 0:
                moved = params.copy()
                moved[:, 1] -= top
            image, _ = self._engine.forward(moved, placement, self._background)
            image = image[:, begin - top :]
            image = encode(image) if self._linear else image
            yield begin, np.clip(image, 0.0, 1.0, out=image)

    def _error(self, image: FloatArray, top: int) -> float:
        """Returns the sum over pixels and channels of weight * error^2."""
        error = 0.0
        for first in range(0, image.shape[1], _ROWS):
            rows = slice(top + first, min(top + first + _ROWS, top + image.shape[1]))
            difference = image[:, first : first + _ROWS] - self._target[:, rows]
            error += float((self._weight[rows] * np.square(difference)).sum(dtype=np.float64))
        return error

    def _decibels(self, error: float) -> float:
        return min(BEST_PSNR, -10.0 * math.log10(max(error / self._total, 1e-30)))
