"""Device memory that stays between steps and grows to the largest scene so far."""

from __future__ import annotations

import torch
from torch import Tensor

from . import structs
from .structs import Scene

_ROOM = 1.5
"""The factor of reserved pairs over needed ones, so that growth is rare."""


class Buffers:
    """The memory for the kernels of a scene. Only `pairs` waits for the device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._held: dict[str, Tensor] = {}
        self._pairs = 0
        self._status = torch.zeros(structs.STATUS_BYTES // 8, dtype=torch.int64, device=device)

    @property
    def nbytes(self) -> int:
        return sum(held.nbytes for held in self._held.values())

    @property
    def loss(self) -> Tensor:
        """A copy of the loss of the latest step, [] float64."""
        return self._status.view(torch.float64)[2].clone()

    @property
    def pairs(self) -> int:
        """The number of pairs of primitives and tiles in the latest scene. Waits for the device."""
        return int(self._status[0])

    def prepare(self, scene: Scene, *, backward: bool) -> None:
        """Gives the scene all its memory."""
        tiles, count = scene.tiles_x * scene.tiles_y, scene.count
        # Each chunk bins its primitives in sequence; many chunks have many cells, which take memory and time.
        scene.chunk = max(4, -(-count * tiles // 2**23))
        scene.chunks = max(1, -(-count // scene.chunk))
        cells = tiles * scene.chunks
        scene.primitives = self._hold("primitives", count * structs.PRIMITIVE_BYTES)
        scene.cells = self._hold("cells", cells * 4)
        scene.cell_base = self._hold("cell_base", scan_blocks(cells) * 8)
        scene.pairs = self._hold("pairs", count * 4)
        scene.pair_base = self._hold("pair_base", scan_blocks(count) * 8)
        scene.tile_loss = self._hold("tile_loss", tiles * 8)
        scene.status = self._status.data_ptr()
        self.reserve(scene, max(self._pairs, 16 * count, 1024), backward=backward)

    def reserve(self, scene: Scene, pairs: int, *, backward: bool) -> None:
        """Gives the scene memory for at least this many pairs, and never less than before."""
        pairs = max(self._pairs, pairs)
        scene.entries = self._hold("entries", pairs * structs.ENTRY_BYTES)
        if backward:
            scene.transmittance = self._hold("transmittance", pairs * structs.TRANSMITTANCE_BYTES)
            records = pairs * structs.TILE_WARPS if scene.deterministic else scene.count
            scene.records = self._hold("records", records * structs.RECORD_BYTES)
        self._pairs = scene.pair_capacity = pairs

    def clear(self) -> None:
        """Sets the counters to zero for the next scene."""
        self._held["cells"].zero_()

    def clear_sums(self, scene: Scene) -> None:
        if not scene.deterministic:
            self._held["records"].zero_()

    def _hold(self, name: str, size: int) -> int:
        """The address of a buffer of at least `size` bytes."""
        held = self._held.get(name)
        if held is None or held.numel() < size:
            # Free the old buffer first, so that both need not fit.
            self._held.pop(name, None)
            del held
            self._held[name] = torch.empty(max(size, 8), dtype=torch.uint8, device=self._device)
        return self._held[name].data_ptr()

    def room(self, pairs: int) -> int:
        """The number of pairs to reserve where this many are needed."""
        return int(pairs * _ROOM)


def scan_blocks(count: int) -> int:
    """The number of blocks that scan this many values."""
    return -(-count // structs.SCAN_BLOCK)
