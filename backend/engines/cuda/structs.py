"""The structs of backend/csrc/scene_cuda.h, mirrored for ctypes, and its constants."""

from __future__ import annotations

from ctypes import Structure, c_float, c_int32, c_int64, c_void_p, sizeof
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..compiled import TILE

WARP = 32
TILE_THREADS = 64
SCAN_THREADS = 256
SCAN_BLOCK = 2048
"""Values that a block scans."""

PRIMITIVE_BYTES = 136
ENTRY_BYTES = 16
STATUS_BYTES = 24
TRANSMITTANCE_BYTES = 4 * TILE * TILE
RECORD_BYTES = 64
TILE_WARPS = TILE_THREADS // WARP
SCENE_BYTES, CANDIDATES_BYTES = 440, 104


class Descent(Structure):
    """struct Descent."""

    _fields_ = [
        *((name, c_void_p) for name in ("free", "first", "second", "age", "low", "high", "frozen")),
        *((name, c_void_p) for name in ("params", "encoded", "level", "grad")),
        *((name, c_void_p) for name in ("template_of", "templates", "level_numbers", "palette")),
        *((name, c_int32) for name in ("palette_count", "limited", "levels_u", "levels_v")),
        *((name, c_float) for name in ("shrink", "bias", "rate", "momentum", "second_momentum", "epsilon")),
        *((name, c_float) for name in ("position_rate", "widest", "least", "scale_rate", "aspect_rate")),
        *((name, c_float) for name in ("rotation_rate", "opacity_rate", "color_rate")),
    ]


class Scene(Structure):
    """struct Scene."""

    _fields_ = [
        *((name, c_int32) for name in ("width", "height", "tiles_x", "tiles_y", "count", "loss", "deterministic")),
        *((name, c_int32) for name in ("chunk", "chunks", "unused")),
        ("pair_capacity", c_int64),
        *((name, c_void_p) for name in ("params", "level", "mirror", "levels", "decode", "background", "image")),
        *((name, c_void_p) for name in ("alpha", "grad_image", "grad_alpha", "target", "weight", "loss_map")),
        *((name, c_void_p) for name in ("grad", "removal", "status", "primitives", "cells", "cell_base", "pairs")),
        *((name, c_void_p) for name in ("pair_base", "entries", "transmittance", "tile_loss", "records")),
        ("descent", Descent),
    ]


class Candidates(Structure):
    """struct Candidates."""

    _fields_ = [
        *((name, c_int32) for name in ("width", "height", "count", "unused")),
        *((name, c_void_p) for name in ("params", "level", "mirror", "levels", "decode", "image")),
        *((name, c_void_p) for name in ("target", "weight", "loss_map", "result", "primitives")),
    ]


@dataclass
class DeviceStruct:
    """A struct in a device's memory, at one place for good, for kernels and recorded graphs."""

    device: torch.device
    size: int
    memory: Tensor = field(init=False)  # uint8 [size]

    def __post_init__(self) -> None:
        self.memory = torch.empty(self.size, dtype=torch.uint8, device=self.device)

    def write(self, struct: Structure) -> None:
        """What later kernels of the current stream read. Does not wait."""
        if sizeof(struct) != self.size:
            raise ValueError(f"{type(struct).__name__} has {sizeof(struct)} bytes, not {self.size}")
        # The driver copies memory that is not pinned aside before it returns.
        self.memory.copy_(torch.frombuffer(struct, dtype=torch.uint8), non_blocking=True)
