"""Optical flow between two frames of a clip, by dense inverse search (Kroeger et al., 2016)."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CONSISTENCY = 0.01
CONSISTENCY_OFFSET = 0.5  # px^2
"""The allowed difference of forward and backward flow: Sundaram et al. (2010), equation 5."""

SMALLEST = 16
"""The least shorter side for a flow, px."""


def flow(before: Tensor, after: Tensor) -> Tensor:
    """The flow of each pixel of a frame [3, H, W] to the next frame: [2, H, W], px to the right and down."""
    height, width = before.shape[1:]
    if min(height, width) < SMALLEST:
        return torch.zeros(2, height, width)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    field = search.calc(_gray(before), _gray(after), np.zeros((height, width, 2), np.float32))
    return torch.from_numpy(np.asarray(field, np.float32)).permute(2, 0, 1).contiguous()


def warped(image: Tensor, field: Tensor) -> Tensor:
    """Samples an image [C, H, W] where a flow [2, H, W] leads: [C, H, W]; edges are extended."""
    height, width = field.shape[1:]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    dx, dy = field.numpy()
    planes = [
        cv2.remap(plane, columns + dx, rows + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for plane in image.float().contiguous().numpy()
    ]
    return torch.from_numpy(np.stack(planes))


def occluded(forward: Tensor, backward: Tensor) -> Tensor:
    """Finds the pixels of a frame without a counterpart in the next: [H, W] bool.

    forward, backward: the flows [2, H, W] to the next frame and back. A pixel has no counterpart if one does not undo
    the other, or if it leads out of the picture.
    """
    height, width = forward.shape[1:]
    back = warped(backward, forward)
    apart = (forward + back).square().sum(0)
    length = forward.square().sum(0) + back.square().sum(0)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = columns + forward[0], rows + forward[1]
    outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
    return outside | (apart > CONSISTENCY * length + CONSISTENCY_OFFSET)


def _gray(frame: Tensor) -> NDArray[np.uint8]:
    pixels = (frame.clamp(0.0, 1.0) * 255.0).round().byte().permute(1, 2, 0).contiguous().numpy()
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
