"""What the compiled engines have in common: every operation is a pass over the canvas, or one over candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from .interface import PARAMETERS, Placement, Scores, Solutions

TILE = 16
"""kTile of raster_math.h, px."""
LOSSES = {"mse": 0, "l1": 1}
"""enum Loss of encoding.h."""
SOLUTION = 8
"""kSolution of raster_math.h: numbers of a candidate's solution."""


class CompiledRasterizer(ABC):
    """See engines.Rasterizer. What is read and written goes by its name in the engine's struct Scene or Candidates."""

    torch_device: torch.device
    _height: int
    _width: int

    def forward(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
    ) -> tuple[Tensor, Tensor]:
        image, alpha = self._floats(3, self._height, self._width), self._floats(self._height, self._width)
        self._run("forward", params, placement, {"background": background}, {"image": image, "alpha": alpha})
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
        planes = {"background": background, "grad_image": grad_image, "grad_alpha": grad_alpha}
        self._run("backward", params, placement, planes, {"grad": grad})
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
        planes = {"background": background, "target": target, "weight": weight}
        return self._run("step", params, placement, planes, {"grad": grad}, loss), grad

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
        grad, image, loss_map = self._floats(len(params), len(PARAMETERS)), self._floats(3, *size), self._floats(*size)
        scores = {"image": image, "loss_map": loss_map, "removal": self._floats(len(params))}
        planes = {"background": background, "target": target, "weight": weight}
        value = self._run("scored", params, placement, planes, {"grad": grad, **scores}, loss)
        return value, grad, Scores(target, **scores)

    def solve_on_top(
        self,
        params: Tensor,  # [M, 9]
        placement: Placement,
        image: Tensor,  # [3, H, W]
        target: Tensor,  # [3, H, W]
        weight: Tensor,  # [3, H, W]
    ) -> Solutions:
        result = self._floats(len(params), SOLUTION)
        planes = {"image": image, "target": target, "weight": weight}
        self._examine("solve", params, placement, planes, result)
        return Solutions(result[:, :3], result[:, 3:6], result[:, 6])

    def gains_on_top(
        self,
        params: Tensor,  # [M, 9]
        placement: Placement,
        scores: Scores,
        weight: Tensor,  # [H, W]
    ) -> Tensor:
        result = self._floats(len(params))
        planes = {"image": scores.image, "loss_map": scores.loss_map, "target": scores.target, "weight": weight}
        self._examine("gains", params, placement, planes, result)
        return result

    @abstractmethod
    def _run(
        self,
        mode: str,  # "forward", "backward", "step", "scored"
        params: Tensor,
        placement: Placement,
        planes: Mapping[str, Tensor | None],
        results: Mapping[str, Tensor],
        loss: str = "mse",
    ) -> Tensor:
        """One pass over the canvas. planes: what is read, results: what is written. The loss of steps: [] float64."""

    @abstractmethod
    def _examine(
        self,
        work: str,  # "solve", "gains"
        params: Tensor,
        placement: Placement,
        planes: Mapping[str, Tensor | None],
        result: Tensor,
    ) -> None:
        """One pass over candidates."""

    def _floats(self, *shape: int) -> Tensor:
        """Memory for results, whatever torch's default type is."""
        return torch.empty(*shape, dtype=torch.float32, device=self.torch_device)


def plain(tensor: Tensor) -> Tensor:
    """As the kernels read it: contiguous, and in single precision what a caller has in another."""
    return (tensor.float() if tensor.is_floating_point() else tensor).detach().contiguous()
