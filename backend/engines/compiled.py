"""The shared part of the compiled engines: every operation is one pass over the canvas or over candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from .interface import PARAMETERS, Placement, Scores, Solutions
from .structs import Candidates, PlanePointers

TILE = 16
"""The side of a tile, px: kTile of raster_math.h."""
LOSSES = {"mse": 0, "l1": 1}
"""The numbers of the losses: enum Loss of encoding.h."""
SOLUTION = 8
"""The length of a candidate's solution: kSolution of raster_math.h."""
_READ_BY_CANDIDATES = ("params", "level", "mirror", "levels", "decode", "image", "target", "weight", "loss_map")

Mode = Literal["forward", "backward", "step", "scored"]
Work = Literal["solve", "gains"]
_Candidates = TypeVar("_Candidates", bound=Candidates)


class Addresses:
    """Gives addresses for structs, and keeps alive what lies there."""

    def __init__(self) -> None:
        self.kept: list[object] = []

    def of(self, tensor: Tensor | None) -> int | None:
        """The address of a tensor, or of a copy that the kernels can read; None for None."""
        return None if tensor is None else self.memory(plain(tensor))

    def memory(self, tensor: Tensor) -> int:
        """The address of the tensor itself."""
        self.kept.append(tensor)
        return tensor.data_ptr()


@dataclass(frozen=True)
class Call:
    """The input of one pass."""

    count: int  # primitives or candidates
    planes: PlanePointers
    at: Addresses


class CompiledRasterizer(ABC):
    """The part of an engine that the CPU and CUDA share: see engines.interface.Rasterizer, also for shapes."""

    torch_device: torch.device
    _height: int
    _width: int
    _decode: Tensor | None  # pictures.color.decode_table, in linear light only

    def forward(self, params: Tensor, placement: Placement, background: Tensor) -> tuple[Tensor, Tensor]:
        image, alpha = self._floats(3, self._height, self._width), self._floats(self._height, self._width)
        self._run("forward", self._call(params, placement, background=background, image=image, alpha=alpha))
        return image, alpha

    def backward(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        grad_image: Tensor,
        grad_alpha: Tensor | None = None,
    ) -> Tensor:
        grad = self._floats(len(params), len(PARAMETERS))
        call = self._call(params, placement, background=background, grad_image=grad_image, grad_alpha=grad_alpha)
        self._run("backward", call, grad)
        return grad

    def step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor]:
        grad = self._floats(len(params), len(PARAMETERS))
        call = self._call(params, placement, background=background, target=target, weight=weight)
        return self._run("step", call, grad, loss=loss), grad

    def scored_step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor, Scores]:
        size = (self._height, self._width)
        grad, removal = self._floats(len(params), len(PARAMETERS)), self._floats(len(params))
        scores = Scores(target, self._floats(3, *size), self._floats(*size), removal)
        out: dict[str, Any] = {"image": scores.image, "loss_map": scores.loss_map}
        call = self._call(params, placement, background=background, target=target, weight=weight, **out)
        return self._run("scored", call, grad, removal, loss), grad, scores

    def solve_on_top(
        self, params: Tensor, placement: Placement, image: Tensor, target: Tensor, weight: Tensor
    ) -> Solutions:
        result = self._floats(len(params), SOLUTION)
        call = self._call(params, placement, candidates=True, image=image, target=target, weight=weight)
        self._examine("solve", call, result)
        return Solutions(result[:, :3], result[:, 3:6], result[:, 6])

    def gains_on_top(self, params: Tensor, placement: Placement, scores: Scores, weight: Tensor) -> Tensor:
        result = self._floats(len(params))
        given: dict[str, Any] = {"image": scores.image, "loss_map": scores.loss_map, "target": scores.target}
        self._examine("gains", self._call(params, placement, candidates=True, weight=weight, **given), result)
        return result

    @abstractmethod
    def _run(
        self, mode: Mode, call: Call, grad: Tensor | None = None, removal: Tensor | None = None, loss: str = "mse"
    ) -> Tensor:
        """Makes one pass over the canvas, which fills grad [N, 9] and removal [N].

        Returns the loss of a step: [] float64.
        """

    @abstractmethod
    def _examine(self, work: Work, call: Call, result: Tensor) -> None:
        """Makes one pass over candidates, which fills `result`."""

    @abstractmethod
    def _levels_of(self, placement: Placement, at: Addresses, *, candidates: bool) -> tuple[Tensor, int]:
        """The number of each primitive's level [N] int32, and the address of the array of levels."""

    def _call(self, params: Tensor, placement: Placement, *, candidates: bool = False, **planes: Tensor | None) -> Call:
        """The primitives and their levels; planes: by the names of fields of PlanePointers."""
        at = Addresses()
        level, levels = self._levels_of(placement, at, candidates=candidates)
        given = {"params": params, "level": level, "mirror": placement.mirror.to(torch.uint8), "decode": self._decode}
        addresses = {name: at.of(tensor) for name, tensor in {**given, **planes}.items()}
        return Call(len(params), PlanePointers(levels=levels, **addresses), at)

    def _candidates(self, kind: type[_Candidates], call: Call, result: Tensor) -> _Candidates:
        """The engine's struct of candidates."""
        return kind(
            width=self._width,
            height=self._height,
            count=call.count,
            linear=self._decode is not None,
            result=call.at.memory(result),
            **{name: getattr(call.planes, name) for name in _READ_BY_CANDIDATES},
        )

    def _floats(self, *shape: int) -> Tensor:
        """Memory for results in float32, whatever torch's default type is."""
        return torch.empty(*shape, dtype=torch.float32, device=self.torch_device)


def plain(tensor: Tensor) -> Tensor:
    """The tensor as the kernels read it: contiguous, floats in single precision."""
    return (tensor.float() if tensor.is_floating_point() else tensor).detach().contiguous()
