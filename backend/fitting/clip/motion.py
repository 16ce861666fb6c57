"""Where primitives are carried by the motion of the target."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ...flow import flow

WINDOW = 9
"""Side of the window in which the flow must explain the change, px."""

BETTER = 0.7
"""Share of the change that the flow may leave: blurred and covered parts have none that is worth following."""


def motion(before: Tensor, after: Tensor) -> Tensor:
    """The optical flow from one frame [3, H, W] to the next, 0 where it does not explain the change: [2, H, W] px."""
    field = flow(before, after)
    height, width = field.shape[1:]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    old, new = (frame.permute(1, 2, 0).contiguous().numpy() for frame in (before, after))
    dx, dy = field.numpy()
    found = cv2.remap(new, columns + dx, rows + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    left = cv2.blur(np.abs(found - old).mean(2), (WINDOW, WINDOW))
    change = cv2.blur(np.abs(new - old).mean(2), (WINDOW, WINDOW))
    return torch.where(torch.from_numpy(left < BETTER * change), field, 0.0)


def sampled(field: Tensor, position: Tensor) -> Tensor:
    """A field [C, H, W] at positions [N, 2] px, at the nearest pixel: [N, C]."""
    height, width = field.shape[1:]
    column = position[:, 0].floor().long().clamp(0, width - 1)
    row = position[:, 1].floor().long().clamp(0, height - 1)
    return field[:, row, column].T
