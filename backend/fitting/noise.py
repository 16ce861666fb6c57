"""The noise canvas: random backgrounds that make a fit cover the canvas."""

from __future__ import annotations

import math
from copy import copy

import torch
from torch import Tensor

from ..pictures.color import decode
from .judge import CPU

NOISE_OFFSETS = 4096
"""Number of places where a canvas may start: more than the steps of a usual fit."""
NOISE_STRIDE = 16  # numbers: a step of whole cache lines
OPEN_CONTRAST = 8.0
"""Contrast of the noise where the canvas shows through the goal, which makes errors of alpha count more.

The PSNR of 600 stamps in a cut-out photograph, shown on white, black and a gray checkerboard, differs by up to
0.4 dB with 1, 0.33 dB with 3 and 0.26 dB with 8 or with noise that is 0 or 1; the PSNR itself is the same.
"""


class NoiseCanvas:
    """Draws per-pixel random canvases, all cut from one sequence of random numbers.

    A cut costs nothing, while drawing three numbers a pixel would take half the time of a step.
    """

    def __init__(
        self,
        height: int,
        width: int,
        generator: torch.Generator,
        linear: bool,
        device: torch.device = CPU,  # the numbers are the same on any
        contrast: float = 1.0,
    ) -> None:
        self._shape = (3, height, width)
        field = torch.rand(3 * height * width + NOISE_OFFSETS * NOISE_STRIDE, generator=generator).to(device)
        if contrast != 1.0:
            field = ((field - 0.5) * contrast + 0.5).clamp_(0.0, 1.0)
        self._field = decode(field) if linear else field
        self._generator = generator

    def restarted(self, generator: torch.Generator) -> NoiseCanvas:
        """Returns a noise canvas of the same random numbers, cut by another generator."""
        result = copy(self)
        result._generator = generator
        return result

    def draw(self) -> Tensor:
        """Returns a new canvas [3, H, W] in the compositing space, which must not be changed."""
        offset = NOISE_STRIDE * int(torch.randint(NOISE_OFFSETS, (), generator=self._generator))
        return self._field[offset : offset + math.prod(self._shape)].view(self._shape)
