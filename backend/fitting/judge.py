"""The judge of a fit: compares it with its goal, on the real background."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..engines.interface import STRIP_SAMPLES, Engine, Placement
from ..metrics.picture import Comparison, decibels
from ..native.arrays import FloatArray
from ..pictures.color import encode
from ..pictures.filters import shrunk
from .goal import Goal

LARGE = 4096
"""The longer side of a canvas, px, from which the judge's image is a smaller one, and half of that at least."""


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
        self._engine, self._target, self._weight, self._linear = engine, goal.target, goal.seen, linear
        height, width = goal.target.shape[1:]
        self._factor = max(1, 2 * max(height, width) // LARGE)
        most = max(1, STRIP_SAMPLES // width // self._factor) * self._factor
        self._rows = height if strip is None else min(height, most)
        if strip is not None and self._rows < height:
            self._engine = strip(self._rows)
        shape = (3, self._rows, width)
        self._background = np.ascontiguousarray(np.broadcast_to(goal.backdrop(linear), shape))

    def __call__(self, params: FloatArray, placement: Placement) -> tuple[FloatArray, float]:
        """Returns the image [3, H, W], display-encoded, and its PSNR where the target counts, in dB.

        The image of a canvas from LARGE on is smaller by a whole number.
        """
        factor = self._factor
        comparison = Comparison(self._target, self._weight, windows=False)
        image: FloatArray = np.empty((3, *(-(-side // factor) for side in self._target.shape[1:])), np.float32)
        for top, strip in self._strips(params, placement):
            comparison.add(strip, top)
            small = shrunk(strip, factor)
            image[:, top // factor : top // factor + small.shape[1]] = small
        return image, decibels(comparison.error())

    def psnr(self, params: FloatArray, placement: Placement) -> float:
        """Returns the PSNR alone, without memory for the image."""
        comparison = Comparison(self._target, self._weight, windows=False)
        for top, strip in self._strips(params, placement):
            comparison.add(strip, top)
        return decibels(comparison.error())

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
