"""How close the frames of a clip are to those of its target, and how steady they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..job import Layout
from ..pictures.flow import flow, occluded, warped
from .picture import psnr, ssim

STILL = 0.01
"""Change of a pixel of the target, in every channel and of 1, below which it is static."""


@dataclass
class ClipMeter:
    """Takes the frames of a clip one after the other. Images are [3, H, W], display-encoded."""

    smooth: bool = True  # whether SSIM and the warping error are measured, which take the most time
    _psnr: list[float | None] = field(default_factory=list)  # None where nothing counts
    _ssim: list[float | None] = field(default_factory=list)
    _difference: list[float | None] = field(default_factory=list)  # mean squares; None at the beginning of a shot
    _flicker: list[float | None] = field(default_factory=list)
    _warping: list[float | None] = field(default_factory=list)
    _targets_warping: list[float | None] = field(default_factory=list)
    static: list[Tensor | None] = field(default_factory=list)
    """[H, W] bool: what of a frame's target is as in the frame before."""
    _last: tuple[Tensor, Tensor] | None = None

    def add(self, image: Tensor, target: Tensor, weight: Tensor | None = None, *, cut: bool = False) -> None:
        """The next frame. weight: [H, W], how much a pixel counts. cut: a shot begins with it."""
        counts = weight is None or bool(weight.any())
        self._psnr.append(psnr(image, target, weight) if counts else None)
        if self.smooth:
            self._ssim.append(ssim(image, target, weight) if counts else None)
        last = None if cut else self._last
        self._last = image, target
        if last is None:
            for values in (self._difference, self._flicker, self._warping, self._targets_warping, self.static):
                values.append(None)
            return
        change, wanted = image - last[0], target - last[1]
        self._difference.append(_mean((change - wanted).square()))
        static = (wanted.abs() < STILL).all(0)
        self.static.append(static)
        self._flicker.append(_mean(change.square()[:, static]) if bool(static.any()) else None)
        if self.smooth:
            back = flow(target, last[1])
            seen = ~occluded(back, flow(last[1], target))
            for values, (now, before) in (
                (self._warping, (image, last[0])),
                (self._targets_warping, (target, last[1])),
            ):
                error = (now - warped(before, back)).square()[:, seen]
                values.append(_mean(error) if bool(seen.any()) else None)

    def metrics(self) -> dict[str, Any]:
        """Means over the clip, and lists of values of each frame; null where a frame has none.

        psnr in dB; ssim; difference_error: root mean square of what the change since the frame before differs from that
        of the target; flicker: that of the change in pixels whose target does not change; warping_error: mean square of
        what differs from the frame before, carried along by the target's flow, where nothing is covered (Lai et al.,
        2018), and target_warping_error that of the target itself.
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


def jitter(layout: Layout, static: list[Tensor | None]) -> dict[str, float | None]:
    """Root mean square of the second differences of positions over three frames in all of which a primitive is seen.

    jitter: of all, px; jitter_static: of those whose bounding squares lie in pixels that are static in the changes on
    both sides. static: of each frame, see ClipMeter; a shot's first frame has none.
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
        # Neither what comes to rest there nor what departs from there.
        planes = (before.numpy(), (before & after).numpy(), after.numpy())
        for where, plane in zip((frame - 1, frame, frame + 1), planes, strict=True):
            present = present & _within(layout, where, plane)
        still.append(bend[present])
    return {"jitter": _root_of(everywhere), "jitter_static": _root_of(still)}


def _within(layout: Layout, frame: int, plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which primitives of a frame have no pixel outside of `plane` [H, W] in their upright bounding square: [N]."""
    height, width = plane.shape
    outside = np.zeros((height + 1, width + 1), np.int64)
    outside[1:, 1:] = (~plane).cumsum(0).cumsum(1)
    reach = layout.scale[frame] * np.sqrt(np.maximum(layout.aspect[frame], 1.0 / layout.aspect[frame]))
    left, right = _pixels(layout.x[frame], reach, width)
    top, bottom = _pixels(layout.y[frame], reach, height)
    return (outside[bottom, right] - outside[top, right] - outside[bottom, left] + outside[top, left]) == 0


def _pixels(center: NDArray[np.float32], reach: NDArray[np.float32], size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """First and end of the pixels within reach of centers, at least one of them."""
    first = np.floor(center - reach).astype(np.int64).clip(0, size - 1)
    return first, np.maximum(np.ceil(center + reach).astype(np.int64).clip(0, size), first + 1)


def _mean(values: Tensor) -> float:
    return float(values.mean(dtype=torch.float64))


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
    # Two coordinates a primitive.
    return float(np.sqrt(values.mean() / 2.0)) if len(values) else None
