"""The structs and constants of backend/csrc/scene_cuda.h for ctypes."""

from __future__ import annotations

from ctypes import Structure, sizeof
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...native.structs import Float, Int, Long, Pointer, Unsigned, struct
from .. import structs
from ..compiled import TILE, Addresses
from ..structs import Descent, PlanePointers

WARP = 32
TILE_THREADS = 64
SCAN_THREADS = 256
SCAN_BLOCK = 2048
"""The number of values that a block scans."""

PRIMITIVE_BYTES = 136
ENTRY_BYTES = 16
STATUS_BYTES = 24
TRANSMITTANCE_BYTES = 4 * TILE * TILE
RECORD_BYTES = 64
TILE_WARPS = TILE_THREADS // WARP
SCENE_BYTES, CANDIDATES_BYTES = 464, 112


@struct
class Scene(Structure):
    """Mirror of struct Scene."""

    __slots__ = ()
    width: Int = 0
    height: Int = 0
    tiles_x: Int = 0
    tiles_y: Int = 0
    count: Int = 0
    loss: Int = 0
    deterministic: Int = 0
    chunk: Int = 0
    chunks: Int = 0
    noise_key: Unsigned = 0
    noise_contrast: Float = 0.0
    unused: Int = 0
    pair_capacity: Long = 0
    planes: PlanePointers = PlanePointers()
    grad: Pointer = None
    removal: Pointer = None
    status: Pointer = None
    primitives: Pointer = None
    cells: Pointer = None
    cell_base: Pointer = None
    pairs: Pointer = None
    pair_base: Pointer = None
    entries: Pointer = None
    transmittance: Pointer = None
    tile_loss: Pointer = None
    records: Pointer = None
    descent: Descent = Descent()


@struct
class Candidates(structs.Candidates):
    """Mirror of struct Candidates."""

    __slots__ = ()
    primitives: Pointer = None


class TensorAddresses(Addresses):
    """Addresses of PyTorch's tensors."""

    @staticmethod
    def plain(array: Tensor) -> Tensor:
        return (array.float() if array.is_floating_point() else array).detach().contiguous()

    @staticmethod
    def address(array: Tensor) -> int:
        return array.data_ptr()


@dataclass
class DeviceStruct:
    """A struct at a fixed address in a device's memory, for kernels and recorded graphs."""

    device: torch.device
    size: int
    memory: Tensor = field(init=False)  # uint8 [size]

    def __post_init__(self) -> None:
        self.memory = torch.empty(self.size, dtype=torch.uint8, device=self.device)

    def write(self, struct: Structure) -> None:
        """Copies the struct for later kernels of the current stream, without waiting."""
        if sizeof(struct) != self.size:
            raise ValueError(f"{type(struct).__name__} has {sizeof(struct)} bytes, not {self.size}")
        # The driver has copied unpinned memory before it returns.
        self.memory.copy_(torch.frombuffer(struct, dtype=torch.uint8), non_blocking=True)
