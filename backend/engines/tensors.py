"""The engines in PyTorch's tensors, for autograd, for the reference and for cards; and the way back to NumPy.

The interface is that of backend.engines.interface with tensors on the engine's device in place of arrays; the reasons
and shapes are told there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..native.arrays import FloatArray
from ..templates import Templates
from . import interface
from .cpu import CpuEngine
from .interface import AdamRule, Iteration, Noise
from .native import noise_plane

_KEPT = 8
"""The planes that an engine keeps on its device: two sets of background, target and weight, and the scores."""


@dataclass
class Placement:
    """See interface.Placement."""

    template: Tensor  # [N] int64
    level: Tensor  # [N, 2] int64, along u and v
    mirror: Tensor  # [N] bool

    def to(self, device: torch.device) -> Placement:
        return Placement(self.template.to(device), self.level.to(device), self.mirror.to(device))


@dataclass
class Scores:
    """See interface.Scores."""

    target: Tensor  # [3, H, W]
    image: Tensor  # [3, H, W]
    loss_map: Tensor  # [H, W]
    removal: Tensor  # [N]


@dataclass
class Solutions:
    """See interface.Solutions."""

    numerator: Tensor  # [M, 3]
    denominator: Tensor  # [M, 3]
    constant: Tensor  # [M]

    def gain(self, color: Tensor) -> Tensor:
        """The fall [M] of the squared error with these colors [M, 3]."""
        return self.constant + (color * (2.0 * self.numerator - color * self.denominator)).sum(1)


class Rasterizer(Protocol):
    """An engine whose tensors are on its torch_device: see interface.Engine. Losses are [] float64."""

    name: str
    device: str
    torch_device: torch.device

    def forward(self, params: Tensor, placement: Placement, background: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the image over the background [3, H, W] and its alpha [H, W]."""
        ...

    def backward(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        grad_image: Tensor,
        grad_alpha: Tensor | None = None,
    ) -> Tensor:
        """Returns the gradient of params [N, 9]."""
        ...

    def step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor]:
        """Fuses forward, pixel loss and backward. Returns the loss and the gradient of params [N, 9]."""
        ...

    def scored_step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
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
        palette: FloatArray | None = None,
        shrink: float = 1.0,
    ) -> Iteration | None:
        """Returns the steps of a fit, which take and give arrays: see interface.Engine."""
        ...

    def solve_on_top(
        self, params: Tensor, placement: Placement, image: Tensor, target: Tensor, weight: Tensor
    ) -> Solutions:
        """Solves for the color of each of M candidates, as if it alone lay on top of the image."""
        ...

    def gains_on_top(self, params: Tensor, placement: Placement, scores: Scores, weight: Tensor) -> Tensor:
        """Returns the fall [M] of the loss "mse" for each of M candidates, as if it alone lay on top of the image."""
        ...


class CpuRasterizer:
    """The CPU engine for tensors, without copies: see Rasterizer."""

    name = "cpu"
    torch_device = torch.device("cpu")

    def __init__(
        self,
        templates: Templates,
        height: int,
        width: int,
        *,
        space: str = "display",
        threads: int = 0,
        instructions: int | None = None,
    ) -> None:
        """Makes the engine: see CpuEngine."""
        self.engine = CpuEngine(templates, height, width, space=space, threads=threads, instructions=instructions)
        self.device = self.engine.device

    def forward(self, params: Tensor, placement: Placement, background: Tensor) -> tuple[Tensor, Tensor]:
        image, alpha = self.engine.forward(_array(params), _placed(placement), _array(background))
        return torch.from_numpy(image), torch.from_numpy(alpha)

    def backward(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        grad_image: Tensor,
        grad_alpha: Tensor | None = None,
    ) -> Tensor:
        cotangent = None if grad_alpha is None else _array(grad_alpha)
        planes = (_array(background), _array(grad_image), cotangent)
        return torch.from_numpy(self.engine.backward(_array(params), _placed(placement), *planes))

    def step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor]:
        planes = (_array(background), _array(target), _array(weight))
        value, gradient = self.engine.step(_array(params), _placed(placement), *planes, loss)
        return torch.tensor(value, dtype=torch.float64), torch.from_numpy(gradient)

    def scored_step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor, Scores]:
        planes = (_array(background), _array(target), _array(weight))
        value, gradient, scores = self.engine.scored_step(_array(params), _placed(placement), *planes, loss)
        made = (torch.from_numpy(plane) for plane in (scores.image, scores.loss_map, scores.removal))
        return torch.tensor(value, dtype=torch.float64), torch.from_numpy(gradient), Scores(target, *made)

    def iteration(self, count: int, rule: AdamRule, **options: Any) -> Iteration | None:
        return self.engine.iteration(count, rule, **options)

    def solve_on_top(
        self, params: Tensor, placement: Placement, image: Tensor, target: Tensor, weight: Tensor
    ) -> Solutions:
        planes = (_array(image), _array(target), _array(weight))
        found = self.engine.solve_on_top(_array(params), _placed(placement), *planes)
        return Solutions(*(torch.from_numpy(part) for part in vars(found).values()))

    def gains_on_top(self, params: Tensor, placement: Placement, scores: Scores, weight: Tensor) -> Tensor:
        given = interface.Scores(**{name: _array(plane) for name, plane in vars(scores).items()})
        return torch.from_numpy(self.engine.gains_on_top(_array(params), _placed(placement), given, _array(weight)))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Sets the number of PyTorch's threads within the block; 0 = no change."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class KeptPlanes:
    """The latest planes that were sent to a device, by their identity."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kept: list[tuple[FloatArray, Tensor]] = []  # the latest last

    def sent(self, plane: FloatArray) -> Tensor:
        """The plane on the device. It is sent only once, and must not change then."""
        if self._device.type == "cpu":
            return sent(plane, self._device)
        kept = [pair for pair in self._kept if pair[0] is plane] or [(plane, sent(plane, self._device))]
        self._kept = [pair for pair in self._kept if pair[0] is not plane][1 - _KEPT :] + kept
        return kept[0][1]


def sent(array: NDArray[Any], device: torch.device) -> Tensor:
    """A tensor on the device; it may share the memory of an array."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(device)


class FarEngine:
    """The interface of arrays for an engine of tensors: see interface.Engine. It keeps planes by their identity."""

    def __init__(self, rasterizer: Rasterizer, space: str = "display") -> None:
        """Wraps an engine of this compositing space."""
        self.name, self.device = rasterizer.name, rasterizer.device
        self.waits = rasterizer.torch_device.type != "cpu"
        self._rasterizer, self._space, self._there = rasterizer, space, rasterizer.torch_device
        self._planes = KeptPlanes(self._there)

    def forward(
        self, params: FloatArray, placement: interface.Placement, background: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        image, alpha = self._rasterizer.forward(*self._given(params, placement), self._plane(background))
        return _host(image), _host(alpha)

    def backward(
        self,
        params: FloatArray,
        placement: interface.Placement,
        background: FloatArray,
        grad_image: FloatArray,
        grad_alpha: FloatArray | None = None,
    ) -> FloatArray:
        planes = (self._plane(background), self._sent(grad_image))
        cotangent = None if grad_alpha is None else self._sent(grad_alpha)
        return _host(self._rasterizer.backward(*self._given(params, placement), *planes, cotangent))

    def step(
        self,
        params: FloatArray,
        placement: interface.Placement,
        background: FloatArray | Noise,
        target: FloatArray,
        weight: FloatArray,
        loss: str = "mse",
    ) -> tuple[float, FloatArray]:
        planes = self._compared(background, target, weight)
        value, gradient = self._rasterizer.step(*self._given(params, placement), *planes, loss)
        return float(value), _host(gradient)

    def scored_step(
        self,
        params: FloatArray,
        placement: interface.Placement,
        background: FloatArray | Noise,
        target: FloatArray,
        weight: FloatArray,
        loss: str = "mse",
        *,
        removals: bool = True,
    ) -> tuple[float, FloatArray, interface.Scores]:
        planes = self._compared(background, target, weight)
        value, gradient, made = self._rasterizer.scored_step(*self._given(params, placement), *planes, loss)
        scores = interface.Scores(target, _host(made.image), _host(made.loss_map), _host(made.removal))
        return float(value), _host(gradient), scores

    def iteration(self, count: int, rule: AdamRule, **options: Any) -> Iteration | None:
        return self._rasterizer.iteration(count, rule, **options)

    def solve_on_top(
        self,
        params: FloatArray,
        placement: interface.Placement,
        image: FloatArray,
        target: FloatArray,
        weight: FloatArray,
        *,
        rows: int = 1,
    ) -> interface.Solutions:
        planes = (self._plane(plane) for plane in (image, target, weight))
        found = self._rasterizer.solve_on_top(*self._given(params, placement), *planes)
        return interface.Solutions(*(_host(part) for part in vars(found).values()))

    def gains_on_top(
        self,
        params: FloatArray,
        placement: interface.Placement,
        scores: interface.Scores,
        weight: FloatArray,
        *,
        rows: int = 1,
    ) -> FloatArray:
        target, image, loss_map = (self._plane(plane) for plane in (scores.target, scores.image, scores.loss_map))
        given = Scores(target, image, loss_map, self._sent(scores.removal))
        return _host(self._rasterizer.gains_on_top(*self._given(params, placement), given, self._plane(weight)))

    def _given(self, params: FloatArray, placement: interface.Placement) -> tuple[Tensor, Placement]:
        return self._sent(params), Placement(*(self._sent(part) for part in vars(placement).values()))

    def _compared(
        self, background: FloatArray | Noise, target: FloatArray, weight: FloatArray
    ) -> tuple[Tensor, Tensor, Tensor]:
        if isinstance(background, Noise):
            behind = self._sent(noise_plane(background, *weight.shape, space=self._space))
        else:
            behind = self._plane(background)
        return behind, self._plane(target), self._plane(weight)

    def _plane(self, plane: FloatArray) -> Tensor:
        return self._planes.sent(plane)

    def _sent(self, array: NDArray[Any]) -> Tensor:
        return sent(array, self._there)


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().numpy()


def _placed(placement: Placement) -> interface.Placement:
    return interface.Placement(*(_array(part) for part in vars(placement).values()))


def _host(tensor: Tensor) -> FloatArray:
    return tensor.detach().float().cpu().numpy()
