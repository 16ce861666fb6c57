"""Recipes: every constant of a fit, with the reason for its value.

Lengths are relative, to a primitive's scale or to the mean spacing of primitives, where a picture's size should not
matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Recipe:
    """How a layout is started and improved. The defaults are the `default` recipe."""

    loss: str = "mse"  # what PSNR measures; "l1" costs half a dB of it

    # --- start: see initialize.py ---
    contrast_exponent: float = 1.3  # density of primitives ~ local contrast ^ this: many small stamps where detail is
    contrast_floor: float = 3 / 255  # of the three channels together: less is rounding and the camera's noise
    contrast_window: float = 0.3  # side of the window of local contrast, in mean spacings of the primitives
    density_blur: float = 0.12  # sigma, in mean spacings
    even_share: float = 0.1  # of the mean density, everywhere: flat areas are covered too
    cover: float = 2.5  # layers of stamps over a pixel; fewer leave holes, more cost time
    start_opacity: float = 0.95  # nearly opaque: a stamp then is itself from the first step on

    # --- steps, per iteration of Adam ---
    position_rate: float = 0.12  # of the primitive's scale ...
    position_rate_cap: float = 40.0  # ... up to this scale, px
    position_rate_least: float = 0.3  # px, in addition: small primitives must be able to move
    scale_rate: float = 0.07  # of the logarithm
    rotation_rate: float = 0.2  # radians
    opacity_rate: float = 0.3  # of the logit
    color_rate: float = 0.05  # display-encoded; direct, not as a logit, which is 1.3 dB worse; 0.09 is unstable
    momentum: float = 0.8  # short memory: neighbours move, old gradients mislead
    second_momentum: float = 0.9
    full_rate: float = 1.0  # factor on all of them
    hold: float = 0.7  # share of the iterations at full rate, then a cosine ...
    last_rate: float = 0.05  # ... down to this

    # --- softness: coarser mip levels than the canvas asks for blur the stamps, and they feel what is farther away ---
    bias: float = 1.0  # texels a canvas pixel at the end: best for one sample a pixel and for many
    first_bias: float = 0.125  # texels a canvas pixel at the start; half of it finds no more
    soften_until: float = 0.6  # share of the iterations

    # --- continuing from a layout: sharp from the first step, and by smaller steps, so that it is not forgotten ---
    continued_rate: float = 0.3

    # --- limits ---
    least_scale: float = 1.0  # px: below it a stamp is less than a pixel
    margin: float = 2.0  # px that a centre may leave the canvas by
    logit_limit: float = 6.0  # opacity 0.0025 to 0.9975: beyond it the gradient fades

    def continued(self) -> Recipe:
        """The recipe for improving a layout instead of making one."""
        return replace(self, first_bias=self.bias, full_rate=self.continued_rate)

    def rate_at(self, progress: float) -> float:
        """Factor on all steps, after this share of the iterations."""
        if progress <= self.hold:
            return self.full_rate
        wave = 0.5 * (1.0 + math.cos(math.pi * (progress - self.hold) / (1.0 - self.hold)))
        return self.full_rate * (self.last_rate + (1.0 - self.last_rate) * wave)

    def bias_at(self, progress: float) -> float:
        """Texels a canvas pixel, after this share of the iterations."""
        if progress >= self.soften_until:
            return self.bias
        return self.first_bias * (self.bias / self.first_bias) ** (progress / self.soften_until)


RECIPES = {"default": Recipe()}
