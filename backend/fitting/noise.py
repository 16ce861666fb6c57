"""The noise canvas: random backgrounds that make a fit cover the canvas, as a function of the seed and a number."""

from __future__ import annotations

from ..engines.interface import Noise

OPEN_CONTRAST = 8.0
"""Contrast of the noise where the canvas shows through the goal, which makes errors of alpha count more.

The PSNR of 600 stamps in a cut-out photograph, shown on white, black and a gray checkerboard, differs by up to
0.4 dB with 1, 0.33 dB with 3 and 0.26 dB with 8 or with noise that is 0 or 1; the PSNR itself is the same.
"""

_WHOLE = 2**32 - 1


class NoiseCanvas:
    """Draws canvases of new noise one after the other, always the same ones for a seed.

    A canvas takes no memory: the engines make its pixels where they need them. engines.native.noise_plane makes all.
    """

    def __init__(self, seed: int, contrast: float = 1.0) -> None:
        """seed: any integer. contrast: 1 = even from black to white."""
        self._seed, self._contrast, self._number = seed, contrast, 0

    def draw(self) -> Noise:
        """Returns the next canvas."""
        noise = Noise(noise_key(self._seed, self._number), self._contrast)
        self._number += 1
        return noise


def noise_key(seed: int, number: int) -> int:
    """Returns the key of a seed's canvas of this number, which csrc/noise.h takes: 32 bits."""
    key = (seed & _WHOLE) * 0x9E3779B9 + number * 0x85EBCA6B + 0x165667B1 & _WHOLE
    key = (key ^ key >> 16) * 0x85EBCA6B & _WHOLE
    key = (key ^ key >> 13) * 0xC2B2AE35 & _WHOLE
    return key ^ key >> 16
