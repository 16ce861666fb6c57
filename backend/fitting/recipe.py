"""The recipe `default`: all constants of its fit, with the reasons for their values.

Lengths are relative, to a primitive's scale or to the mean spacing of primitives (the square root of the canvas's area
per primitive), so that a picture's size does not matter. Changes of quality are means in dB over three photographs
and two stamps, 512 px, 1,000 primitives, 100 steps; two seeds differ by 0.02.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..engines.interface import AdamRule


@dataclass(frozen=True)
class Recipe:
    """The constants of the start and the descent of a fit."""

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
    position_rate: float = 0.12  # of the primitive's half axis, along that axis ...
    position_rate_cap: float = 2.5  # ... up to a half axis of so many mean spacings
    position_rate_least: float = 0.02  # mean spacings, in addition: small primitives must be able to move ...
    position_rate_floor: float = 0.3  # ... by so many px at least
    scale_rate: float = 0.07  # of the logarithm
    aspect_rate: float = 0.16  # of the logarithm
    rotation_rate: float = 0.2  # radians; less where it is stretched, by the square root of longer : shorter axis
    opacity_rate: float = 0.4  # of the logit
    color_rate: float = 0.05  # display-encoded; direct, not as a logit, which is 1.3 dB worse; 0.09 is unstable
    momentum: float = 0.88  # of fits with so many steps that ...
    memory: float = 0.12  # ... it forgets within this share of them; in shorter ones it is less ...
    least_momentum: float = 0.8  # ... down to this (30 steps: +0.3 dB)
    second_momentum: float = 0.8  # short memory: neighbors move, old gradients mislead
    epsilon: float = 1e-10  # keeps a primitive that no pixel sees in its place; gradients are of the order of 1
    full_rate: float = 1.0  # factor on all of them
    hold: float = 0.7  # share of the iterations at full rate, then a cosine ...
    last_rate: float = 0.05  # ... down to this

    # --- softness: coarser mip levels than the canvas asks for blur the stamps, and they feel what is farther away ---
    bias: float = 1.0  # texels a canvas pixel at the end: best for one sample a pixel and for many
    first_bias: float = 0.125  # texels a canvas pixel at the start; half of it finds no more
    soften_until: float = 0.3  # share of the iterations

    # --- palettes ---
    palette_from: float = 0.85  # share of the iterations before which colors are free; from the start: -1.3 dB

    # --- relocation: see relocation.py; 0.9 dB with all that belongs to it ---
    relocate_every: int = 4  # steps: two are too few to settle (-0.08 dB)
    relocate_until: float = 0.8  # share of the iterations
    relocated: float = 0.2  # share of the primitives at first, falling to none at the last iteration
    acceptance: float = 0.6  # of the leaving one's removal loss is enough: a candidate has not yet been optimized
    candidates: int = 24  # for each primitive that may leave
    ranked_rows: int = 2  # one row of pixels in this many ranks the large ones; the best are judged by all rows
    climbs: int = 4  # rounds of varying the best ...
    climbers: int = 3  # ... so many for each primitive that may leave
    climb: float = 0.5  # how far: of the half axis and of a radian, for the first round
    smallest_candidate: float = 0.15  # scale, mean spacings
    largest_candidate: float = 1.5
    candidate_floor: float = 1.5  # px
    candidate_opacity: float = 0.85
    separation: float = 0.8  # of the sum of their scales: closer than that, only one of two candidates is taken
    error_blur: float = 1.0  # px, of the error by which candidates are drawn
    oriented: float = 0.7  # share of the candidates that lie along the target's edges
    orientation_blur: float = 0.125  # sigma of the structure tensor, mean spacings
    stretched: float = 1.2  # standard deviation of their aspect's logarithm, at full coherence of the edge
    turned: float = 0.25  # standard deviation of their rotation from the edge's, radians

    # --- large canvases: at first a smaller picture of them, by octaves, and no smaller than this (1024 px: -0.05 dB in
    # two thirds of the time) ---
    working_size: float = 512.0  # longer side, px
    working_spacing: float = 16.0  # between primitives, px
    full_size_from: float = 0.75  # share of the iterations

    # --- fewer samples: until then, steps without scores visit a part of the rows, others each time (a fifth of all
    # samples less, and no loss found), where primitives are large enough to show in each part ---
    fewer_rows: int = 2
    fewer_rows_until: float = 0.5  # share of the iterations
    fewer_rows_spacing: float = 8.0  # px of the picture between primitives, at least ...
    fewest_rows: int = 32  # ... and so many rows in a step

    # --- continuing from a layout: sharp from the first step, and by smaller steps, so that it is not forgotten ---
    continued_rate: float = 0.3

    # --- limits ---
    least_scale: float = 1.0  # px: below it a stamp is less than a pixel
    margin: float = 2.0  # px that a center may leave the canvas by
    logit_limit: float = 6.0  # opacity 0.0025 to 0.9975: beyond it the gradient fades

    def continued(self, added: bool = False) -> Recipe:
        """Returns the recipe for improving a layout. added: some primitives are new and may relocate."""
        return replace(
            self,
            first_bias=self.bias,
            full_rate=self.continued_rate,
            relocated=float(added),
            working_spacing=math.inf,
            fewer_rows_until=0.0,
        )

    def momentum_in(self, iterations: int) -> float:
        """Returns the momentum for this number of steps."""
        return max(self.least_momentum, min(self.momentum, 1.0 - 1.0 / (self.memory * iterations)))

    def adam_rule(self, spacing: float, iterations: int) -> AdamRule:
        """Returns the rule of Adam for this number of steps on primitives of this mean spacing, px."""
        return AdamRule(
            momentum=self.momentum_in(iterations),
            second_momentum=self.second_momentum,
            epsilon=self.epsilon,
            position_rate=self.position_rate,
            widest=self.position_rate_cap * spacing,
            least=max(self.position_rate_floor, self.position_rate_least * spacing),
            scale_rate=self.scale_rate,
            aspect_rate=self.aspect_rate,
            rotation_rate=self.rotation_rate,
            opacity_rate=self.opacity_rate,
            color_rate=self.color_rate,
        )


DEFAULT = Recipe()
