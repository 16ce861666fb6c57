"""The shared part of the compiled engines: every operation is one pass over the canvas or over candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from .interface import NO_NOISE, PARAMETERS, Noise
from .structs import Candidates, PlanePointers

TILE = 16
"""The side of a tile, px: kTile of raster_math.h."""
LOSSES = {"mse": 0, "l1": 1}
"""The numbers of the losses: enum Loss of encoding.h."""
SOLUTION = 8
"""The length of a candidate's solution: kSolution of raster_math.h."""
_READ_BY_CANDIDATES = ("params", "level", "mirror", "levels", "decode", "image", "target", "weight", "loss_map")

Array = Any
"""An array of the engine's memory: NumPy's on the CPU, PyTorch's on a card."""
Mode = Literal["forward", "backward", "step", "scored"]
Work = Literal["solve", "gains"]
_Candidates = TypeVar("_Candidates", bound=Candidates)


class Addresses(ABC):
    """Gives addresses for structs, and keeps alive what lies there."""

    def __init__(self) -> None:
        self.kept: list[object] = []

    def of(self, array: Array | None) -> int | None:
        """The address of an array, or of a copy that the kernels can read; None for None."""
        return None if array is None else self.memory(self.plain(array))

    def memory(self, array: Array) -> int:
        """The address of the array itself."""
        self.kept.append(array)
        return self.address(array)

    @staticmethod
    @abstractmethod
    def plain(array: Array) -> Array:
        """The array as the kernels read it: contiguous, floats in single precision."""

    @staticmethod
    @abstractmethod
    def address(array: Array) -> int:
        """Where the array's first element lies."""


class HostAddresses(Addresses):
    """Addresses of NumPy's arrays."""

    @staticmethod
    def plain(array: Array) -> Array:
        return np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else None)

    @staticmethod
    def address(array: Array) -> int:
        return array.__array_interface__["data"][0]


@dataclass(frozen=True, eq=False)
class Call:
    """The input of one pass."""

    count: int  # primitives or candidates
    planes: PlanePointers
    at: Addresses
    noise: Noise = NO_NOISE


class CompiledEngine(ABC):
    """The part of an engine that the CPU and CUDA share: see engines.interface.Engine, also for shapes."""

    _height: int
    _width: int
    _decode: Array | None  # the decoding table, in linear light only
    _addresses: type[Addresses]
    _scores: type[Any]  # Scores and Solutions of the engine's arrays
    _solutions: type[Any]

    def forward(self, params: Array, placement: Any, background: Array) -> tuple[Array, Array]:
        image, alpha = self._floats(3, self._height, self._width), self._floats(self._height, self._width)
        self._run("forward", self._call(params, placement, background=background, image=image, alpha=alpha))
        return image, alpha

    def backward(
        self,
        params: Array,
        placement: Any,
        background: Array,
        grad_image: Array,
        grad_alpha: Array | None = None,
    ) -> Array:
        grad = self._floats(len(params), len(PARAMETERS))
        call = self._call(params, placement, background=background, grad_image=grad_image, grad_alpha=grad_alpha)
        self._run("backward", call, grad)
        return grad

    def step(
        self,
        params: Array,
        placement: Any,
        background: Array | Noise,
        target: Array,
        weight: Array,
        loss: str = "mse",
    ) -> tuple[Any, Array]:
        grad = self._floats(len(params), len(PARAMETERS))
        call = self._call(params, placement, background=background, target=target, weight=weight)
        return self._run("step", call, grad, loss=loss), grad

    def scored_step(
        self,
        params: Array,
        placement: Any,
        background: Array | Noise,
        target: Array,
        weight: Array,
        loss: str = "mse",
        *,
        removals: bool = True,
    ) -> tuple[Any, Array, Any]:
        size = (self._height, self._width)
        grad, removal = self._floats(len(params), len(PARAMETERS)), self._floats(len(params) if removals else 0)
        scores = self._scores(target, self._floats(3, *size), self._floats(*size), removal)
        out: dict[str, Any] = {"image": scores.image, "loss_map": scores.loss_map}
        call = self._call(params, placement, background=background, target=target, weight=weight, **out)
        return self._run("scored", call, grad, removal if removals else None, loss), grad, scores

    def solve_on_top(
        self, params: Array, placement: Any, image: Array, target: Array, weight: Array, *, rows: int = 1
    ) -> Any:
        result = self._floats(len(params), SOLUTION)
        call = self._call(params, placement, candidates=True, image=image, target=target, weight=weight)
        plane = self._height * self._width if weight.ndim == 3 else 0
        self._examine("solve", call, params, result, rows, weight_plane=plane)
        return self._solutions(result[:, :3], result[:, 3:6], result[:, 6])

    def gains_on_top(self, params: Array, placement: Any, scores: Any, weight: Array, *, rows: int = 1) -> Array:
        result = self._floats(len(params))
        given: dict[str, Any] = {"image": scores.image, "loss_map": scores.loss_map, "target": scores.target}
        call = self._call(params, placement, candidates=True, weight=weight, **given)
        self._examine("gains", call, params, result, rows)
        return result

    @abstractmethod
    def _run(
        self, mode: Mode, call: Call, grad: Array | None = None, removal: Array | None = None, loss: str = "mse"
    ) -> Any:
        """Makes one pass over the canvas, which fills grad [N, 9] and removal [N]. Returns the loss of a step."""

    @abstractmethod
    def _examine(self, work: Work, call: Call, params: Array, result: Array, rows: int, weight_plane: int = 0) -> None:
        """Makes one pass over candidates [M, 9], which fills `result`; it may look at one row in `rows`.

        weight_plane: the values from a channel's weight to the next one's.
        """

    @abstractmethod
    def _levels_of(self, placement: Any, at: Addresses, *, candidates: bool) -> tuple[Array, int]:
        """The number of each primitive's level [N] int32, and the address of the array of levels."""

    @abstractmethod
    def _floats(self, *shape: int) -> Array:
        """Memory for results in float32."""

    def _call(
        self,
        params: Array,
        placement: Any,
        *,
        candidates: bool = False,
        background: Array | Noise | None = None,
        **planes: Array | None,
    ) -> Call:
        """The primitives and their levels; planes: by the names of fields of PlanePointers."""
        at = self._addresses()
        level, levels = self._levels_of(placement, at, candidates=candidates)
        given = {"params": params, "level": level, "mirror": placement.mirror, "decode": self._decode}
        if isinstance(background, Noise):
            noise = background
        else:
            noise, given["background"] = NO_NOISE, background
        addresses = {name: at.of(array) for name, array in {**given, **planes}.items()}
        return Call(len(params), PlanePointers(levels=levels, **addresses), at, noise)

    def _candidates(self, kind: type[_Candidates], call: Call, result: Array, weight_plane: int) -> _Candidates:
        """The engine's struct of candidates."""
        return kind(
            width=self._width,
            height=self._height,
            count=call.count,
            linear=self._decode is not None,
            result=call.at.memory(result),
            weight_plane=weight_plane,
            **{name: getattr(call.planes, name) for name in _READ_BY_CANDIDATES},
        )
