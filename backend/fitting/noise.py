"""The noise canvas: random backgrounds that keep a fit from leaving the canvas open."""

from __future__ import annotations

import math
from copy import copy

import torch
from torch import Tensor

from ..pictures.color import decode
from .judge import CPU

NOISE_OFFSETS = 4096
"""Places at which the noise may start: more than a usual fit has steps."""
NOISE_STRIDE = 16  # numbers: a step of whole cache lines
OPEN_CONTRAST = 8.0
"""Factor on the noise where the canvas shows through the goal: errors of alpha then count for more.

The PSNR of 600 stamps in a photograph that is cut out, shown on white, black and a gray checkerboard, differs by up to
0.4 dB with 1, 0.33 dB with 3 and 0.26 dB with 8 or with noise that is 0 or 1; the PSNR itself is the same.
"""


class NoiseCanvas:
    """A new per-pixel random canvas whenever it is asked for, all cut from one sequence of random numbers.

    Cutting elsewhere costs nothing, where drawing three numbers a pixel would cost half a step.
    """

    def __init__(
        self,
        height: int,
        width: int,
        generator: torch.Generator,
        linear: bool,
        device: torch.device = CPU,  # where it is to be; its numbers are the same on any
        contrast: float = 1.0,
    ) -> None:
        self._shape = (3, height, width)
        field = torch.rand(3 * height * width + NOISE_OFFSETS * NOISE_STRIDE, generator=generator).to(device)
        if contrast != 1.0:
            field = ((field - 0.5) * contrast + 0.5).clamp_(0.0, 1.0)
        self._field = decode(field) if linear else field
        self._generator = generator

    def restarted(self, generator: torch.Generator) -> NoiseCanvas:
        """A canvas of the same random numbers, cut by another generator."""
        result = copy(self)
        result._generator = generator
        return result

    def draw(self) -> Tensor:
        """A new canvas [3, H, W] in the compositing space, not to be written to."""
        offset = NOISE_STRIDE * int(torch.randint(NOISE_OFFSETS, (), generator=self._generator))
        return self._field[offset : offset + math.prod(self._shape)].view(self._shape)
