"""What the compiled engines have in common: every operation is a pass over the canvas, or one over candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, TypeVar

import torch
from torch import Tensor

from .interface import PARAMETERS, Placement, Scores, Solutions
from .structs import Candidates, PlanePointers

TILE = 16
"""Side of a tile, px: kTile of raster_math.h."""
LOSSES = {"mse": 0, "l1": 1}
"""Numbers of the losses: enum Loss of encoding.h."""
SOLUTION = 8
"""How many numbers the solution of a candidate has: kSolution of raster_math.h."""

Mode = Literal["forward", "backward", "step", "scored"]
Work = Literal["solve", "gains"]
_Candidates = TypeVar("_Candidates", bound=Candidates)


class Addresses:
    """Addresses for structs. What lies there lives as long as this."""

    def __init__(self) -> None:
        self.kept: list[object] = []

    def of(self, tensor: Tensor | None) -> int | None:
        """The address of a tensor, or of a copy that the kernels can read; None for None."""
        return None if tensor is None else self.memory(plain(tensor))

    def memory(self, tensor: Tensor) -> int:
        """The address of the tensor itself."""
        self.kept.append(tensor)
        return tensor.data_ptr()


class CompiledRasterizer(ABC):
    """The part of an engine that is the same on the CPU and on a card: see engines.interface.Rasterizer."""

    torch_device: torch.device
    _height: int
    _width: int
    _decode: Tensor | None  # pictures.color.decode_table, where light is composited

    def forward(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
    ) -> tuple[Tensor, Tensor]:
        image, alpha = self._floats(3, self._height, self._width), self._floats(self._height, self._width)
        at, planes = self._given(params, placement)
        planes.background, planes.image, planes.alpha = at.of(background), at.of(image), at.of(alpha)
        self._run("forward", len(params), at, planes)
        return image, alpha

    def backward(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
        grad_image: Tensor,  # [3, H, W]
        grad_alpha: Tensor | None = None,  # [H, W]
    ) -> Tensor:
        grad = self._floats(len(params), len(PARAMETERS))
        at, planes = self._given(params, placement)
        planes.background = at.of(background)
        planes.grad_image, planes.grad_alpha = at.of(grad_image), at.of(grad_alpha)
        self._run("backward", len(params), at, planes, grad)
        return grad

    def step(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
        target: Tensor,  # [3, H, W]
        weight: Tensor,  # [H, W]
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor]:
        grad = self._floats(len(params), len(PARAMETERS))
        at, planes = self._given(params, placement)
        planes.background, planes.target, planes.weight = at.of(background), at.of(target), at.of(weight)
        return self._run("step", len(params), at, planes, grad, loss=loss), grad

    def scored_step(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
        target: Tensor,  # [3, H, W]
        weight: Tensor,  # [H, W]
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor, Scores]:
        size = (self._height, self._width)
        grad, removal = self._floats(len(params), len(PARAMETERS)), self._floats(len(params))
        scores = Scores(target, self._floats(3, *size), self._floats(*size), removal)
        at, planes = self._given(params, placement)
        planes.background, planes.target, planes.weight = at.of(background), at.of(target), at.of(weight)
        planes.image, planes.loss_map = at.of(scores.image), at.of(scores.loss_map)
        return self._run("scored", len(params), at, planes, grad, removal, loss), grad, scores

    def solve_on_top(
        self,
        params: Tensor,  # [M, 9]
        placement: Placement,
        image: Tensor,  # [3, H, W]
        target: Tensor,  # [3, H, W]
        weight: Tensor,  # [3, H, W]
    ) -> Solutions:
        result = self._floats(len(params), SOLUTION)
        at, planes = self._given(params, placement, candidates=True)
        planes.image, planes.target, planes.weight = at.of(image), at.of(target), at.of(weight)
        self._examine("solve", len(params), at, planes, result)
        return Solutions(result[:, :3], result[:, 3:6], result[:, 6])

    def gains_on_top(
        self,
        params: Tensor,  # [M, 9]
        placement: Placement,
        scores: Scores,
        weight: Tensor,  # [H, W]
    ) -> Tensor:
        result = self._floats(len(params))
        at, planes = self._given(params, placement, candidates=True)
        planes.image, planes.loss_map = at.of(scores.image), at.of(scores.loss_map)
        planes.target, planes.weight = at.of(scores.target), at.of(weight)
        self._examine("gains", len(params), at, planes, result)
        return result

    @abstractmethod
    def _run(
        self,
        mode: Mode,
        count: int,
        at: Addresses,
        planes: PlanePointers,
        grad: Tensor | None = None,  # [N, 9] out
        removal: Tensor | None = None,  # [N] out
        loss: str = "mse",
    ) -> Tensor:
        """One pass over the canvas. Returns the loss of steps: [] float64."""

    @abstractmethod
    def _examine(self, work: Work, count: int, at: Addresses, planes: PlanePointers, result: Tensor) -> None:
        """One pass over candidates, which writes `result`."""

    @abstractmethod
    def _levels_of(self, placement: Placement, at: Addresses, *, candidates: bool) -> tuple[Tensor, int]:
        """The number of each primitive's level [N] int32, and the address of the array of levels."""

    def _given(
        self, params: Tensor, placement: Placement, *, candidates: bool = False
    ) -> tuple[Addresses, PlanePointers]:
        """The pointers to the primitives and what they are drawn with; others are still to be set."""
        at = Addresses()
        level, levels = self._levels_of(placement, at, candidates=candidates)
        mirror = at.of(placement.mirror.to(torch.uint8))
        params_at, level_at, decode = at.of(params), at.of(level), at.of(self._decode)
        return at, PlanePointers(params=params_at, level=level_at, mirror=mirror, levels=levels, decode=decode)

    def _candidates(self, kind: type[_Candidates], pointers: PlanePointers, count: int, result: int) -> _Candidates:
        """The engine's struct of so many candidates, with the pointers of a scene that they need."""
        return kind(
            width=self._width,
            height=self._height,
            count=count,
            linear=self._decode is not None,
            params=pointers.params,
            level=pointers.level,
            mirror=pointers.mirror,
            levels=pointers.levels,
            decode=pointers.decode,
            image=pointers.image,
            target=pointers.target,
            weight=pointers.weight,
            loss_map=pointers.loss_map,
            result=result,
        )

    def _floats(self, *shape: int) -> Tensor:
        """Memory for results, whatever torch's default type is."""
        return torch.empty(*shape, dtype=torch.float32, device=self.torch_device)


def plain(tensor: Tensor) -> Tensor:
    """The tensor as the kernels read it: contiguous, and numbers in single precision."""
    return (tensor.float() if tensor.is_floating_point() else tensor).detach().contiguous()
