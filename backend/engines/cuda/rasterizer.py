"""The CUDA engine: buffers and launches for the kernels of backend/csrc/raster_cuda.cu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...pictures.color import decode_table
from ...templates import Templates
from ..compiled import LOSSES, CompiledRasterizer, plain
from ..interface import AdamRule, Iteration, Placement
from . import structs
from .buffers import Buffers
from .launch import launch_bins, launch_each, launch_tiles
from .levels import DeviceLevels
from .structs import Candidates, DeviceStruct, Scene

if TYPE_CHECKING:
    from .gpu import Gpu


class CudaRasterizer(CompiledRasterizer):
    """See engines.Rasterizer. Works on the current stream of its device; calls wait for it to count pairs."""

    name = "cuda"

    def __init__(
        self,
        templates: Templates,
        height: int,
        width: int,
        gpu: Gpu,
        *,
        space: str = "display",
        deterministic: bool = True,
    ) -> None:
        """deterministic: gradients are summed in order, which takes 128 bytes a pair of a primitive and a tile."""
        self.device, self.torch_device = gpu.name, gpu.torch_device
        self._gpu, self._templates, self._space, self._deterministic = gpu, templates, space, deterministic
        self._height, self._width = height, width
        textured = any(item.textured for item in templates.items)
        self._program = gpu.program(linear=space == "linear", textured=textured)
        self._levels = DeviceLevels.of_templates(templates, self.torch_device)
        self._decode = decode_table().to(self.torch_device) if space == "linear" else None
        self._buffers = Buffers(self.torch_device)
        self._scene = DeviceStruct(self.torch_device, structs.SCENE_BYTES)
        self._candidates = DeviceStruct(self.torch_device, structs.CANDIDATES_BYTES)

    @property
    def held_bytes(self) -> int:
        """Memory that the engine keeps between calls on the device."""
        return self._buffers.nbytes + self._levels.nbytes

    @property
    def samples(self) -> int:
        """Samples that the latest call visited, whole tiles counted. Waits for the device."""
        return self._buffers.pairs * structs.TILE**2

    def iteration(
        self,
        count: int,
        rule: AdamRule,
        *,
        loss: str = "mse",
        palette: Tensor | None = None,  # [P, 3]
        shrink: float = 1.0,
    ) -> Iteration:
        from .iteration import CudaIteration

        options = {"space": self._space, "deterministic": self._deterministic}
        return CudaIteration(
            self._templates,
            (self._height, self._width),
            self._gpu,
            count,
            rule,
            loss=loss,
            palette=palette,
            shrink=shrink,
            **options,  # type: ignore[arg-type]
        )

    def _run(
        self,
        mode: str,
        params: Tensor,
        placement: Placement,
        planes: Mapping[str, Tensor | None],
        results: Mapping[str, Tensor],
        loss: str = "mse",
    ) -> Tensor:
        scene = Scene(width=self._width, height=self._height, count=len(params), deterministic=self._deterministic)
        scene.tiles_x, scene.tiles_y = -(-self._width // structs.TILE), -(-self._height // structs.TILE)
        scene.loss = LOSSES[loss]
        kept = self._fill(scene, params, placement, self._levels.numbers(placement), planes, results)
        self._bin(scene, backward=mode != "forward")
        if mode != "forward":
            self._buffers.clear_sums(scene)
        launch_tiles(self._program, scene, mode, self._scene.memory)
        del kept
        return self._buffers.loss

    def _bin(self, scene: Scene, *, backward: bool) -> None:
        """Bins the primitives, with more memory where it was too little."""
        self._buffers.prepare(scene, backward=backward)
        while True:
            self._scene.write(scene)
            self._buffers.clear()
            launch_bins(self._program, scene, self._scene.memory)
            needed = self._buffers.pairs
            if needed <= scene.pair_capacity:
                return
            self._buffers.reserve(scene, self._buffers.room(needed), backward=backward)

    def _examine(
        self,
        work: str,
        params: Tensor,
        placement: Placement,
        planes: Mapping[str, Tensor | None],
        result: Tensor,
    ) -> None:
        candidates = Candidates(width=self._width, height=self._height, count=len(params))
        # In a fit, where candidates keep to their limits, without waiting.
        level = self._levels.nearest(placement)
        kept = self._fill(candidates, params, placement, level, planes, {"result": result})
        primitives = torch.empty(len(params), structs.PRIMITIVE_BYTES, dtype=torch.uint8, device=self.torch_device)
        candidates.primitives = primitives.data_ptr()
        self._candidates.write(candidates)
        launch_each(self._program, "prepare_candidates", len(params), self._candidates.memory)
        launch_each(self._program, f"candidates_{work}", len(params) * structs.WARP, self._candidates.memory)
        del kept, primitives

    def _fill(
        self,
        struct: Scene | Candidates,
        params: Tensor,
        placement: Placement,
        level: Tensor,  # [N] int32, into the levels' array
        planes: Mapping[str, Tensor | None],
        results: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        """What scenes and candidates have in common; returns what must live until the kernels are launched."""
        inputs: dict[str, Tensor | None] = {
            **planes,
            "params": params,
            "level": level,
            "mirror": placement.mirror.to(torch.uint8),
            "decode": self._decode,
        }
        kept = {**results, **{name: plain(tensor) for name, tensor in inputs.items() if tensor is not None}}
        for name, tensor in kept.items():
            setattr(struct, name, tensor.data_ptr())
        struct.levels = self._levels.array.data_ptr()
        return kept
