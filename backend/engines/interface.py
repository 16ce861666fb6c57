"""The interface of all engines, and the arrays that pass between engines and fits.

All of it is NumPy in the host's memory; backend.engines.tensors has the same in PyTorch's tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, SupportsFloat

from ..native.arrays import BoolArray, FloatArray, IntArray

PARAMETERS = ("x", "y", "scale", "aspect", "rotation", "opacity", "red", "green", "blue")
"""The columns of params [N, 9]: px, px, px, ratio, radians, [0, 1], and three color channels."""

STRIP_SAMPLES = 2**22
"""The most samples of a large picture to render at once: 64 MB and as much for what is made of them."""


@dataclass(eq=False)
class Placement:
    """The inputs without gradients: the template of each primitive, its mip level, and whether it is mirrored."""

    template: IntArray  # [N]
    level: IntArray  # [N, 2] along u and v
    mirror: BoolArray  # [N]


@dataclass(eq=False)
class Scores:
    """The scores of a step: the loss of each pixel, and the worth of each primitive."""

    target: FloatArray  # [3, H, W] display-encoded, as given
    image: FloatArray  # [3, H, W] as composited
    loss_map: FloatArray  # [H, W] weighted loss of each pixel
    removal: FloatArray  # [N] exact increase of the loss if this primitive is removed


@dataclass(eq=False)
class Solutions:
    """The solutions for M candidates: a color c lowers the squared error by constant + sum of 2 c S - c^2 A."""

    numerator: FloatArray  # [M, 3] S
    denominator: FloatArray  # [M, 3] A
    constant: FloatArray  # [M]

    def gain(self, color: FloatArray) -> FloatArray:
        """The fall [M] of the squared error with these colors [M, 3]."""
        return self.constant + (color * (2.0 * self.numerator - color * self.denominator)).sum(1)


@dataclass(eq=False)
class Variables:
    """The variables of a fit and their Adam moments."""

    free: FloatArray  # [N, 9] columns of PARAMETERS in canvas px; colors display-encoded, not yet of the palette
    first: FloatArray  # [N, 9] moments of the gradient of ...
    second: FloatArray  # [N, 9] ... positions along own axes, logarithms of scale and aspect, the logit of opacity
    age: FloatArray  # [N, 1] number of steps; primitives may be added later
    low: FloatArray  # [N, 9] bounds of free
    high: FloatArray  # [N, 9]
    frozen: BoolArray  # [N, 9] locked


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


@dataclass(frozen=True)
class Noise:
    """A background that is a function of the pixel instead of a plane: csrc/noise.h has it."""

    key: int  # of the step: noise_key, 32 bits
    contrast: float  # 0: the background is a plane


NO_NOISE = Noise(0, 0.0)


class Held(Protocol):
    """What a step leaves where it was made until someone reads it."""

    def read(self) -> FloatArray:
        """Returns the array in the host's memory; waits for a device. Later steps do not change it."""
        ...


@dataclass(frozen=True, eq=False)
class Stepped:
    """The outcome of a step of an Iteration."""

    loss: SupportsFloat  # float() waits for a device; infinite if the step lacked memory
    params: Held  # [N, 9] before the step, colors display-encoded and, with a palette, always from it
    scores: Scores | None  # valid until the next step


class Iteration(Protocol):
    """Makes whole steps of a fit where the engine computes: levels, picture, loss, gradient, Adam, bounds."""

    def load(self, variables: Variables, template: IntArray, mirror: BoolArray) -> None:
        """Copies the variables, templates [N] and mirrors [N] of N primitives."""
        ...

    def run(
        self,
        background: FloatArray | Noise,  # [3, H, W] as composited
        target: FloatArray,  # [3, H, W] display-encoded
        weight: FloatArray,  # [H, W]
        *,
        rate: float,  # factor on all steps of Adam
        bias: float,  # most texels per canvas pixel, for the choice of levels
        limited: bool,  # whether to draw the colors of the palette
        scored: bool,
        rows: int = 1,  # a step without scores may look at one row in this many (a power of two), in turn
    ) -> Stepped:
        """Makes a step, where possible without waiting for it.

        If a step lacks memory, it changes nothing and its loss is infinite; one of the next steps gets more memory.
        """
        ...

    def unload(self) -> Variables:
        """Returns copies of the variables as they are now; waits for a device."""
        ...


class Engine(Protocol):
    """An engine bound to templates and a canvas. It keeps its buffers; only one thread may use it at a time.

    A plane that is given again must not have changed: an engine may keep its copy on a device.
    """

    name: str
    device: str
    waits: bool
    """Whether reading a loss waits for a device."""

    def forward(
        self,
        params: FloatArray,  # [N, 9]
        placement: Placement,
        background: FloatArray,  # [3, H, W]
    ) -> tuple[FloatArray, FloatArray]:
        """Returns the image over the background [3, H, W] and its alpha [H, W]."""
        ...

    def backward(
        self,
        params: FloatArray,  # [N, 9]
        placement: Placement,
        background: FloatArray,  # [3, H, W]
        grad_image: FloatArray,  # [3, H, W] cotangent of the image
        grad_alpha: FloatArray | None = None,  # [H, W] cotangent of the alpha
    ) -> FloatArray:
        """Returns the gradient of params [N, 9]."""
        ...

    def step(
        self,
        params: FloatArray,  # [N, 9]
        placement: Placement,
        background: FloatArray | Noise,  # [3, H, W]
        target: FloatArray,  # [3, H, W] display-encoded
        weight: FloatArray,  # [H, W]
        loss: str = "mse",
    ) -> tuple[float, FloatArray]:
        """Fuses forward, pixel loss and backward. Returns the loss and the gradient of params [N, 9].

        The loss is the sum over pixels and channels of weight * error^2 ("mse") or weight * |error| ("l1"). Errors are
        display-encoded in both compositing spaces.
        """
        ...

    def scored_step(
        self,
        params: FloatArray,  # [N, 9]
        placement: Placement,
        background: FloatArray | Noise,  # [3, H, W]
        target: FloatArray,  # [3, H, W] display-encoded
        weight: FloatArray,  # [H, W]
        loss: str = "mse",
        *,
        removals: bool = True,
    ) -> tuple[float, FloatArray, Scores]:
        """Makes the same step as `step`, and returns its scores too.

        Without `removals`, which cost time, the scores may be without them: [0].
        """
        ...

    def iteration(
        self,
        count: int,
        rule: AdamRule,
        *,
        loss: str = "mse",
        palette: FloatArray | None = None,  # [P, 3] display-encoded
        shrink: float = 1.0,  # canvas px per px of the picture; variables are in canvas px
    ) -> Iteration | None:
        """Returns the steps of a fit of `count` primitives, or None if the optimizer on the host has to make them."""
        ...

    def solve_on_top(
        self,
        params: FloatArray,  # [M, 9] with any colors
        placement: Placement,
        image: FloatArray,  # [3, H, W] as composited
        target: FloatArray,  # [3, H, W] as composited
        weight: FloatArray,  # [H, W], or [3, H, W] if channels differ
        *,
        rows: int = 1,  # may look at one row in this many (a power of two) of candidates with many rows
    ) -> Solutions:
        """Solves for the color of each of M candidates, as if it alone lay on top of the image."""
        ...

    def gains_on_top(
        self,
        params: FloatArray,  # [M, 9]
        placement: Placement,
        scores: Scores,  # of a step with loss "mse"
        weight: FloatArray,  # [H, W] of that step
        *,
        rows: int = 1,
    ) -> FloatArray:
        """Returns the fall [M] of the loss "mse" for each of M candidates, as if it alone lay on top of the image."""
        ...
