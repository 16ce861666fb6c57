"""The CUDA engine: buffers and launches for the kernels in backend/csrc/raster_cuda.cu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...templates import Templates
from ..compiled import LOSSES, Addresses, Call, CompiledEngine, Mode, Work
from ..interface import AdamRule
from ..light import decode_table
from ..tensors import Placement, Scores, Solutions
from . import structs
from .buffers import Buffers
from .launch import launch_bins, launch_each, launch_tiles
from .levels import DeviceLevels
from .structs import Candidates, DeviceStruct, Scene, TensorAddresses

if TYPE_CHECKING:
    from .gpu import Gpu
    from .iteration import CudaIteration


class CudaRasterizer(CompiledEngine):
    """The engine on a card, on its current stream; calls wait for the count of pairs. See tensors.Rasterizer."""

    name = "cuda"
    _addresses, _scores, _solutions = TensorAddresses, Scores, Solutions

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
        """Loads the kernels. deterministic: sum gradients in order, with 128 bytes per primitive and tile."""
        self.device, self.torch_device = gpu.name, gpu.torch_device
        self._gpu, self._templates, self._space, self._deterministic = gpu, templates, space, deterministic
        self._height, self._width = height, width
        textured = any(item.textured for item in templates.items)
        self._program = gpu.program(linear=space == "linear", textured=textured)
        self._levels = DeviceLevels.of_templates(templates, self.torch_device)
        self._decode = decode_table().to(self.torch_device) if space == "linear" else None
        self._buffers = Buffers(self.torch_device)
        self._scene = DeviceStruct(self.torch_device, structs.SCENE_BYTES)
        self._candidates_on_device = DeviceStruct(self.torch_device, structs.CANDIDATES_BYTES)

    @property
    def held_bytes(self) -> int:
        """The memory that the engine keeps on the device between calls, bytes."""
        return self._buffers.nbytes + self._levels.nbytes

    @property
    def samples(self) -> int:
        """The number of samples that the latest call visited, in whole tiles. Waits for the device."""
        return self._buffers.pairs * structs.TILE**2

    def iteration(self, count: int, rule: AdamRule, **options: Any) -> CudaIteration:
        from .iteration import CudaIteration

        options |= {"space": self._space, "deterministic": self._deterministic}
        return CudaIteration(self._templates, (self._height, self._width), self._gpu, count, rule, **options)

    def _run(
        self, mode: Mode, call: Call, grad: Tensor | None = None, removal: Tensor | None = None, loss: str = "mse"
    ) -> Tensor:
        scene = Scene(
            width=self._width,
            height=self._height,
            tiles_x=-(-self._width // structs.TILE),
            tiles_y=-(-self._height // structs.TILE),
            count=call.count,
            loss=LOSSES[loss],
            deterministic=self._deterministic,
            noise_key=call.noise.key,
            noise_contrast=call.noise.contrast,
            planes=call.planes,
            grad=call.at.of(grad),
            removal=call.at.of(removal),
        )
        self._bin(scene, backward=mode != "forward")
        if mode != "forward":
            self._buffers.clear_sums(scene)
        launch_tiles(self._program, scene, mode, self._scene.memory)
        return self._buffers.loss

    def _bin(self, scene: Scene, *, backward: bool) -> None:
        """Bins the primitives, again with more memory where it was too little."""
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
        self, work: Work, call: Call, params: Tensor, result: Tensor, rows: int, weight_plane: int = 0
    ) -> None:
        candidates = self._candidates(Candidates, call, result, weight_plane)
        primitives = torch.empty(call.count, structs.PRIMITIVE_BYTES, dtype=torch.uint8, device=self.torch_device)
        candidates.primitives = call.at.memory(primitives)
        self._candidates_on_device.write(candidates)
        memory = self._candidates_on_device.memory
        launch_each(self._program, "prepare_candidates", call.count, memory)
        launch_each(self._program, f"candidates_{work}", call.count * structs.WARP, memory)

    def _levels_of(self, placement: Placement, at: Addresses, *, candidates: bool) -> tuple[Tensor, int]:
        # Candidates of a fit stay within limits: their levels are found without waiting.
        numbers = self._levels.nearest(placement) if candidates else self._levels.numbers(placement)
        return numbers, self._levels.array.data_ptr()

    def _floats(self, *shape: int) -> Tensor:
        # Whatever torch's default type is.
        return torch.empty(*shape, dtype=torch.float32, device=self.torch_device)
