"""The similarity of a clip to its target, and its steadiness."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..job import Layout
from ..native.arrays import BoolArray, FloatArray
from ..pictures.flow import flow, occluded, warped
from .picture import Comparison, decibels

STILL = 0.01
"""The change of each channel, in [0, 1], below which a pixel of the target is static."""


@dataclass
class ClipMeter:
    """Measures the frames of a clip in sequence. Images are [3, H, W], display-encoded."""

    smooth: bool = True  # whether to measure SSIM and the warping error, which take most time
    _psnr: list[float | None] = field(default_factory=list)  # None where all weights are 0
    _ssim: list[float | None] = field(default_factory=list)
    _difference: list[float | None] = field(default_factory=list)  # mean squares; None at the start of a shot
    _flicker: list[float | None] = field(default_factory=list)
    _warping: list[float | None] = field(default_factory=list)
    _targets_warping: list[float | None] = field(default_factory=list)
    static: list[BoolArray | None] = field(default_factory=list)
    """Static pixels of each frame's target since the frame before: [H, W] bool; None at the start of a shot."""
    _last: tuple[FloatArray, FloatArray] | None = None

    def add(
        self, image: FloatArray, target: FloatArray, weight: FloatArray | None = None, *, cut: bool = False
    ) -> None:
        """Measures the next frame. weight: [H, W] of pixels. cut: a shot begins with this frame."""
        counts = weight is None or bool(weight.any())
        comparison = Comparison(target, weight, windows=self.smooth)
        comparison.add(image)
        self._psnr.append(decibels(comparison.error()) if counts else None)
        if self.smooth:
            self._ssim.append(comparison.similarity() if counts else None)
        last = None if cut else self._last
        self._last = image, target
        if last is None:
            for values in (self._difference, self._flicker, self._warping, self._targets_warping, self.static):
                values.append(None)
            return
        change, wanted = image - last[0], target - last[1]
        self._difference.append(_mean(np.square(change - wanted)))
        static = (np.abs(wanted) < STILL).all(0)
        self.static.append(static)
        self._flicker.append(_mean(np.square(change[:, static])) if bool(static.any()) else None)
        if self.smooth:
            back = flow(target, last[1])
            seen = ~occluded(back, flow(last[1], target))
            for values, (now, before) in (
                (self._warping, (image, last[0])),
                (self._targets_warping, (target, last[1])),
            ):
                error = np.square((now - warped(before, back))[:, seen])
                values.append(_mean(error) if bool(seen.any()) else None)

    def metrics(self) -> dict[str, Any]:
        """Returns means over the clip and lists of values per frame; None where a frame has no value.

        psnr: dB. ssim. difference_error: root mean square of the error of changes between frames. flicker: root mean
        square of changes where the target is static. warping_error: mean square of the difference from the frame
        before, warped by the target's flow, where nothing is occluded (Lai et al., 2018). target_warping_error: the
        same for the target.
        """
        result: dict[str, Any] = {"psnr": _average(self._psnr), "ssim": _average(self._ssim) if self._ssim else None}
        pixels = [0 if plane is None else int(plane.sum()) for plane in self.static]
        result["difference_error"], result["flicker"] = _root(self._difference), _root(self._flicker, pixels)
        result["warping_error"] = _average(self._warping)
        result["target_warping_error"] = _average(self._targets_warping)
        result["frames"] = {
            "psnr": [None if value is None else round(value, 3) for value in self._psnr],
            "ssim": [None if value is None else round(value, 5) for value in self._ssim],
            "difference_error": [_rounded_root(value) for value in self._difference],
            "flicker": [_rounded_root(value) for value in self._flicker],
            "warping_error": [None if value is None else round(value, 7) for value in self._warping],
        }
        return result


def jitter(layout: Layout, static: list[BoolArray | None]) -> dict[str, float | None]:
    """The root mean square of second differences of positions, px, over three frames that all show a primitive.

    jitter: of all primitives; jitter_static: of those whose bounding squares are static in both changes.
    static: see ClipMeter.
    """
    position = np.stack([layout.x, layout.y], 2).astype(np.float64)
    seen = layout.opacity > 0
    everywhere, still = [], []
    for frame in range(1, len(layout.frames) - 1):
        before, after = static[frame], static[frame + 1]
        if before is None or after is None:
            continue
        bend = np.square(position[frame + 1] - 2.0 * position[frame] + position[frame - 1]).sum(1)
        present = seen[frame - 1] & seen[frame] & seen[frame + 1]
        everywhere.append(bend[present])
        # Leave out what stops or starts there.
        planes = (before, before & after, after)
        for where, plane in zip((frame - 1, frame, frame + 1), planes, strict=True):
            present = present & _within(layout, where, plane)
        still.append(bend[present])
    return {"jitter": _root_of(everywhere), "jitter_static": _root_of(still)}


def _within(layout: Layout, frame: int, plane: BoolArray) -> BoolArray:
    """Whether the upright bounding square of each primitive of a frame lies within `plane` [H, W]: [N]."""
    height, width = plane.shape
    outside = np.zeros((height + 1, width + 1), np.int64)
    outside[1:, 1:] = (~plane).cumsum(0).cumsum(1)
    reach = layout.scale[frame] * np.sqrt(np.maximum(layout.aspect[frame], 1.0 / layout.aspect[frame]))
    left, right = _pixels(layout.x[frame], reach, width)
    top, bottom = _pixels(layout.y[frame], reach, height)
    return (outside[bottom, right] - outside[top, right] - outside[bottom, left] + outside[top, left]) == 0


def _pixels(center: FloatArray, reach: FloatArray, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The first and end of the pixels within reach of each center, at least one pixel."""
    first = np.floor(center - reach).astype(np.int64).clip(0, size - 1)
    return first, np.maximum(np.ceil(center + reach).astype(np.int64).clip(0, size), first + 1)


def _mean(values: FloatArray) -> float:
    return float(values.mean(dtype=np.float64))


def _average(values: list[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _root(squares: list[float | None], weights: list[int] | None = None) -> float | None:
    weighted = [(s, w) for s, w in zip(squares, weights or [1] * len(squares), strict=True) if s is not None]
    total = sum(weight for _, weight in weighted)
    return math.sqrt(sum(square * weight for square, weight in weighted) / total) if total else None


def _rounded_root(square: float | None) -> float | None:
    return None if square is None else round(math.sqrt(square), 6)


def _root_of(parts: list[NDArray[np.float64]]) -> float | None:
    values = np.concatenate(parts) if parts else np.empty(0)
    # Two coordinates per primitive.
    return float(np.sqrt(values.mean() / 2.0)) if len(values) else None
