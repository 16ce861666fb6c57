"""Still parts of a moving target: pixels that do not change, and primitives that lie only on those."""

from __future__ import annotations

import cv2
import torch
from torch import Tensor

WINDOW = 3
"""Side of the window over which changes are averaged, px, to suppress noise."""


class Stillness:
    """Finds the pixels of a target that change from frame to frame.

    A pixel is compared with its value at its last change, so that slow changes are noticed, too.
    """

    def __init__(self, first: Tensor, threshold: float) -> None:
        """Begins with all relevant planes of the first frame [C, H, W]. threshold: least change of a pixel, of 1."""
        self._settled, self._threshold = first.clone(), threshold

    def changed(self, frame: Tensor) -> Tensor:
        """Returns which pixels of the next frame [C, H, W] have changed: [H, W] bool, on the CPU."""
        difference = (frame - self._settled).abs().amax(0)
        smooth = torch.from_numpy(cv2.blur(difference.numpy(), (WINDOW, WINDOW)))
        changed = smooth > self._threshold
        self._settled = torch.where(changed, frame, self._settled)
        return changed


def untouched(params: Tensor, changed: Tensor) -> Tensor:
    """Returns which primitives [N, 9] have no pixel in `changed` [H, W] within their upright bounding box: [N] bool."""
    x, y, scale, aspect, rotation = params[:, :5].unbind(1)
    cosine, sine = rotation.cos().abs(), rotation.sin().abs()
    half_u, half_v = scale * aspect.sqrt(), scale / aspect.sqrt()
    half_x, half_y = cosine * half_u + sine * half_v + 1.0, sine * half_u + cosine * half_v + 1.0
    return _means(changed.double(), x - half_x, x + half_x, y - half_y, y + half_y) == 0.0


def beneath(params: Tensor, plane: Tensor) -> Tensor:
    """Returns the mean of a plane [H, W] in upright squares around primitives [N, 9], as large as these: [N]."""
    x, y, reach = params[:, 0], params[:, 1], params[:, 2]
    return _means(plane.double(), x - reach, x + reach, y - reach, y + reach).float()


def _means(plane: Tensor, left: Tensor, right: Tensor, top: Tensor, bottom: Tensor) -> Tensor:
    """Returns the mean of a plane [H, W] in rectangles [N], px; with at least one pixel in the plane: [N] float64."""
    height, width = plane.shape
    # Sums over everything above and to the left.
    sums = torch.zeros(height + 1, width + 1, dtype=torch.float64)
    sums[1:, 1:] = plane.cumsum(0).cumsum(1)
    first_column, first_row = left.floor().long().clamp(0, width - 1), top.floor().long().clamp(0, height - 1)
    end_column = torch.maximum(right.ceil().long().clamp(0, width), first_column + 1)
    end_row = torch.maximum(bottom.ceil().long().clamp(0, height), first_row + 1)
    total = sums[end_row, end_column] - sums[first_row, end_column]
    total += sums[first_row, first_column] - sums[end_row, first_column]
    return total / ((end_column - first_column) * (end_row - first_row))
