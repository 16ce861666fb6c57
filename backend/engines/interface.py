"""The interface of all engines, and the tensors that pass between engines and fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

PARAMETERS = ("x", "y", "scale", "aspect", "rotation", "opacity", "red", "green", "blue")
"""The columns of params [N, 9]: px, px, px, ratio, radians, [0, 1], and three color channels."""

STRIP_SAMPLES = 2**25
"""The most samples of a large picture to render at once: half a gigabyte."""


@dataclass
class Placement:
    """The inputs without gradients: the template of each primitive, its mip level, and whether it is mirrored."""

    template: Tensor  # [N] int64
    level: Tensor  # [N, 2] int64, along u and v
    mirror: Tensor  # [N] bool

    def to(self, device: torch.device) -> Placement:
        return Placement(self.template.to(device), self.level.to(device), self.mirror.to(device))


@dataclass
class Scores:
    """The scores of a step: the loss of each pixel, and the worth of each primitive."""

    target: Tensor  # [3, H, W] display-encoded, as given
    image: Tensor  # [3, H, W] as composited
    loss_map: Tensor  # [H, W] weighted loss of each pixel
    removal: Tensor  # [N] exact increase of the loss if this primitive is removed


@dataclass
class Solutions:
    """The solutions for M candidates: a color c lowers the squared error by constant + sum of 2 c S - c^2 A."""

    numerator: Tensor  # [M, 3] S
    denominator: Tensor  # [M, 3] A
    constant: Tensor  # [M]

    def gain(self, color: Tensor) -> Tensor:
        """The fall [M] of the squared error with these colors [M, 3]."""
        return self.constant + (color * (2.0 * self.numerator - color * self.denominator)).sum(1)


@dataclass
class Variables:
    """The variables of a fit and their Adam moments, on the engine's device."""

    free: Tensor  # [N, 9] columns of PARAMETERS in canvas px; colors display-encoded, not yet of the palette
    first: Tensor  # [N, 9] moments of the gradient of ...
    second: Tensor  # [N, 9] ... positions along own axes, logarithms of scale and aspect, the logit of opacity
    age: Tensor  # [N, 1] float32 number of steps; primitives may be added later
    low: Tensor  # [N, 9] bounds of free
    high: Tensor  # [N, 9]
    frozen: Tensor  # [N, 9] bool: locked


@dataclass(frozen=True)
class AdamRule:
    """The constants of Adam: fitting.optimizer has the formulas, fitting.recipe the values."""

    momentum: float
    second_momentum: float
    epsilon: float
    position_rate: float  # share of the half axis, along that axis ...
    widest: float  # ... up to a half axis of this length, px ...
    least: float  # ... plus this length, px
    scale_rate: float
    aspect_rate: float
    rotation_rate: float
    opacity_rate: float
    color_rate: float


class Iteration(Protocol):
    """Makes whole steps of a fit on the device without waiting: levels, picture, loss, gradient, Adam, bounds."""

    variables: Variables
    """The current variables: run changes them in place."""

    def load(self, variables: Variables, template: Tensor, mirror: Tensor) -> None:
        """Copies the variables, templates [N] int64 and mirrors [N] bool of N primitives."""
        ...

    def run(
        self,
        background: Tensor,  # [3, H, W] as composited
        target: Tensor,  # [3, H, W] display-encoded
        weight: Tensor,  # [H, W]
        *,
        rate: float,  # factor on all steps of Adam
        bias: float,  # most texels per canvas pixel, for the choice of levels
        limited: bool,  # whether to draw the colors of the palette
        scored: bool,
    ) -> tuple[Tensor, Tensor, Scores | None]:
        """Makes a step. Returns the loss ([] float64) and params [N, 9] before it, and its scores if `scored`.

        The colors of params are display-encoded and, with a palette, always from it. The scores are valid until the
        next run, the loss and params for good. If a step lacks memory, it changes nothing and its loss is infinite; one
        of the next steps gets more memory.
        """
        ...


class Rasterizer(Protocol):
    """An engine bound to templates and a canvas. It keeps its buffers; only one thread may use it at a time.

    All tensors are on its torch_device.
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
        """Returns the image over the background [3, H, W] and its alpha [H, W]."""
        ...

    def backward(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
        grad_image: Tensor,  # [3, H, W] cotangent of the image
        grad_alpha: Tensor | None = None,  # [H, W] cotangent of the alpha
    ) -> Tensor:
        """Returns the gradient of params [N, 9]."""
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
        """Fuses forward, pixel loss and backward. Returns the loss ([] float64) and the gradient of params [N, 9].

        The loss is the sum over pixels and channels of weight * error^2 ("mse") or weight * |error| ("l1"). Errors are
        display-encoded in both compositing spaces.
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
        """Makes the same step as `step`, and returns its scores too."""
        ...

    def iteration(
        self,
        count: int,
        rule: AdamRule,
        *,
        loss: str = "mse",
        palette: Tensor | None = None,  # [P, 3] display-encoded
        shrink: float = 1.0,  # canvas px per px of the picture; variables are in canvas px
    ) -> Iteration | None:
        """Returns the steps of a fit of `count` primitives, or None if PyTorch has to make them."""
        ...

    def solve_on_top(
        self,
        params: Tensor,  # [M, 9] with any colors
        placement: Placement,
        image: Tensor,  # [3, H, W] as composited
        target: Tensor,  # [3, H, W] as composited
        weight: Tensor,  # [3, H, W]
    ) -> Solutions:
        """Solves for the color of each of M candidates, as if it alone lay on top of the image."""
        ...

    def gains_on_top(
        self,
        params: Tensor,  # [M, 9]
        placement: Placement,
        scores: Scores,  # of a step with loss "mse"
        weight: Tensor,  # [H, W] of that step
    ) -> Tensor:
        """Returns the fall [M] of the loss "mse" for each of M candidates, as if it alone lay on top of the image."""
        ...
