"""The motion of the target, which primitives follow."""

from __future__ import annotations

import cv2
import torch
from torch import Tensor

from ...pictures.flow import flow, warped

WINDOW = 9
"""Side of the window in which the flow must explain the change, px."""

BETTER = 0.7
"""Greatest share of the change that the flow may leave: blurred and covered parts have no reliable flow."""


def motion(before: Tensor, after: Tensor) -> Tensor:
    """Returns the optical flow between frames [3, H, W], 0 where it does not explain the change: [2, H, W] px."""
    field = flow(before, after)
    left = _smooth(warped(after, field) - before)
    change = _smooth(after - before)
    return torch.where(left < BETTER * change, field, 0.0)


def _smooth(difference: Tensor) -> Tensor:
    """Returns the mean absolute difference [3, H, W] in the window around each pixel: [H, W]."""
    return torch.from_numpy(cv2.blur(difference.abs().mean(0).numpy(), (WINDOW, WINDOW)))


def sampled(field: Tensor, position: Tensor) -> Tensor:
    """Samples a field [C, H, W] at positions [N, 2] px by the nearest pixel: [N, C]."""
    height, width = field.shape[1:]
    column = position[:, 0].floor().long().clamp(0, width - 1)
    row = position[:, 1].floor().long().clamp(0, height - 1)
    return field[:, row, column].T
