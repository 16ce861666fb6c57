"""Optical flow."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor


def flow(before: Tensor, after: Tensor) -> Tensor:
    """[2, H, W]"""
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def grey(v: Tensor):
        return cv2.cvtColor((v * 255).round().byte().permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2GRAY)

    return torch.from_numpy(dis.calc(grey(before), grey(after), None)).permute(2, 0, 1).contiguous()
