"""What every engine offers, and the tensors that pass between engines and fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

PARAMETERS = ("x", "y", "scale", "aspect", "rotation", "opacity", "red", "green", "blue")
"""Columns of params [N, 9]: px, px, px, ratio, radians, [0, 1], and the colour's three numbers."""

STRIP_SAMPLES = 2**25
"""Samples of a large picture that are rendered at once, at most: half a gigabyte."""


@dataclass
class Placement:
    """What is not differentiated: which template a primitive shows, on which mip level, mirrored or not."""

    template: Tensor  # [N] int64
    level: Tensor  # [N, 2] int64, along u and v
    mirror: Tensor  # [N] bool

    def to(self, device: torch.device) -> Placement:
        return Placement(self.template.to(device), self.level.to(device), self.mirror.to(device))


@dataclass
class Scores:
    """The scores of a step: where the loss is, and how much each primitive is worth."""

    target: Tensor  # [3, H, W] display-encoded, as given
    image: Tensor  # [3, H, W] as composited
    loss_map: Tensor  # [H, W] weighted loss of each pixel
    removal: Tensor  # [N] the loss without a primitive less the loss: exact, whatever lies before or behind it


@dataclass
class Solutions:
    """The use of M candidates: with a colour c the squared error falls by constant + sum of 2 c S - c^2 A."""

    numerator: Tensor  # [M, 3] S
    denominator: Tensor  # [M, 3] A
    constant: Tensor  # [M]

    def gain(self, color: Tensor) -> Tensor:
        """How much the error falls with these colours [M, 3]: [M]."""
        return self.constant + (color * (2.0 * self.numerator - color * self.denominator)).sum(1)


@dataclass
class Variables:
    """The variables of a fit, and Adam's memory of them; on the engine's device."""

    free: Tensor  # [N, 9] columns of PARAMETERS in px of the canvas, colours display-encoded and not of a palette
    first: Tensor  # [N, 9] moments of the gradient of ...
    second: Tensor  # [N, 9] ... positions along own axes, logarithms of scale and aspect, the logit of opacity
    age: Tensor  # [N, 1] float32 steps; of each, since some arrive later
    low: Tensor  # [N, 9] bounds of free
    high: Tensor  # [N, 9]
    frozen: Tensor  # [N, 9] bool: what stays as it is


@dataclass(frozen=True)
class AdamRule:
    """The constants of Adam: fitting.optimizer has the formulas, fitting.recipe the values."""

    momentum: float
    second_momentum: float
    epsilon: float
    position_rate: float  # of the half axis, along that axis ...
    widest: float  # ... up to a half axis of so many px ...
    least: float  # ... and so many px in addition
    scale_rate: float
    aspect_rate: float
    rotation_rate: float
    opacity_rate: float
    color_rate: float


class Iteration(Protocol):
    """Whole steps of a fit on the engine's device: levels, picture, loss, gradient, Adam, bounds; without waiting."""

    variables: Variables
    """The current variables: run changes them in place."""

    def load(self, variables: Variables, template: Tensor, mirror: Tensor) -> None:
        """Takes over the variables and the templates [N] int64 and mirrors [N] bool of N primitives, by copying."""
        ...

    def run(
        self,
        background: Tensor,  # [3, H, W] as composited
        target: Tensor,  # [3, H, W] display-encoded
        weight: Tensor,  # [H, W]
        *,
        rate: float,  # factor on all steps of Adam
        bias: float,  # texels a pixel of the canvas, by which levels are chosen
        limited: bool,  # whether the palette's colours are drawn
        scored: bool,
    ) -> tuple[Tensor, Tensor, Scores | None]:
        """Makes a step. Returns the loss ([] float64) and params [N, 9] before it, and its scores if `scored`.

        The colours of the params are display-encoded, and of the palette if there is one, be it drawn or not. The loss
        and the params stay as they are; the scores hold until the next run. Where the engine's memory was too small for
        a step, it changes nothing, its loss is infinite, and one of the next few has more.
        """
        ...


class Rasterizer(Protocol):
    """An engine bound to templates and a canvas. It keeps its buffers, and may be used by one thread at a time.

    All tensors, placements too, are on its torch_device.
    """

    name: str
    device: str
    torch_device: torch.device

    def forward(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
    ) -> tuple[Tensor, Tensor]:
        """The image over the background [3, H, W] and its alpha [H, W]."""
        ...

    def backward(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
        grad_image: Tensor,  # [3, H, W] cotangent of the image
        grad_alpha: Tensor | None = None,  # [H, W] cotangent of the alpha
    ) -> Tensor:
        """The gradient of params [N, 9]."""
        ...

    def step(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
        target: Tensor,  # [3, H, W] display-encoded
        weight: Tensor,  # [H, W]
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor]:
        """Makes forward, pixel loss and backward in one: the loss ([] float64) and the gradient of params [N, 9].

        The loss is the sum over pixels and channels of weight * error^2 ("mse") or weight * |error| ("l1"), in
        display-encoded numbers whatever is composited.
        """
        ...

    def scored_step(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
        target: Tensor,  # [3, H, W] display-encoded
        weight: Tensor,  # [H, W]
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor, Scores]:
        """Does the same as step, with the scores of the step."""
        ...

    def iteration(
        self,
        count: int,
        rule: AdamRule,
        *,
        loss: str = "mse",
        palette: Tensor | None = None,  # [P, 3] display-encoded
        shrink: float = 1.0,  # pixels of the canvas, of which variables are, to a pixel of the picture
    ) -> Iteration | None:
        """Whole steps of a fit of `count` primitives, where the engine makes them itself."""
        ...

    def solve_on_top(
        self,
        params: Tensor,  # [M, 9] colours do not matter
        placement: Placement,
        image: Tensor,  # [3, H, W] as composited
        target: Tensor,  # [3, H, W] in the numbers that are composited
        weight: Tensor,  # [3, H, W]
    ) -> Solutions:
        """How the squared error depends on the colour of each of M candidates, if it alone were on top of the image."""
        ...

    def gains_on_top(
        self,
        params: Tensor,  # [M, 9]
        placement: Placement,
        scores: Scores,  # of a step with the loss "mse"
        weight: Tensor,  # [H, W] of that step
    ) -> Tensor:
        """The fall of the loss "mse" if each of M candidates alone were laid on top: [M]."""
        ...
