"""Memory on a device between steps: it grows to the largest scene seen and stays."""

from __future__ import annotations

import torch
from torch import Tensor

from . import structs
from .structs import Scene

_ROOM = 1.5
"""Of what was needed is taken, so that growth is rare."""


class Buffers:
    """What a scene's kernels work in. Nothing here waits for the device but `status`."""

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
        """[] float64, of the latest step; a copy."""
        return self._status.view(torch.float64)[2].clone()

    @property
    def pairs(self) -> int:
        """Pairs of primitives and tiles in the latest scene. Waits for the device."""
        return int(self._status[0])

    @property
    def pair_capacity(self) -> int:
        return self._pairs

    def prepare(self, scene: Scene, *, backward: bool) -> None:
        """Everything but the pairs' memory; then that."""
        tiles, count = scene.tiles_x * scene.tiles_y, scene.count
        # A chunk's primitives are binned one after the other; the cells of many chunks take memory and time.
        scene.chunk = max(4, -(-count * tiles // 2**23))
        scene.chunks = max(1, -(-count // scene.chunk))
        cells = tiles * scene.chunks
        self._hold(scene, "primitives", count * structs.PRIMITIVE_BYTES)
        self._hold(scene, "cells", cells * 4)
        self._hold(scene, "cell_base", scan_blocks(cells) * 8)
        self._hold(scene, "pairs", count * 4)
        self._hold(scene, "pair_base", scan_blocks(count) * 8)
        self._hold(scene, "tile_loss", tiles * 8)
        scene.status = self._status.data_ptr()
        self.reserve(scene, max(self._pairs, 16 * count, 1024), backward=backward)

    def reserve(self, scene: Scene, pairs: int, *, backward: bool) -> None:
        """Memory for so many pairs at least; where there is not enough, no more is asked for than before."""
        pairs = max(self._pairs, pairs)
        self._hold(scene, "entries", pairs * structs.ENTRY_BYTES)
        if backward:
            self._hold(scene, "transmittance", pairs * structs.TRANSMITTANCE_BYTES)
            records = pairs * structs.TILE_WARPS if scene.deterministic else scene.count
            self._hold(scene, "records", records * structs.RECORD_BYTES)
        self._pairs = scene.pair_capacity = pairs

    def clear(self) -> None:
        """Makes ready for the next scene, which counts and sums in these."""
        self._held["cells"].zero_()

    def clear_sums(self, scene: Scene) -> None:
        if not scene.deterministic:
            self._held["records"].zero_()

    def _hold(self, scene: Scene, name: str, size: int) -> None:
        held = self._held.get(name)
        if held is None or held.numel() < size:
            # The older one goes first, so that both need not fit.
            self._held.pop(name, None)
            del held
            self._held[name] = torch.empty(max(size, 8), dtype=torch.uint8, device=self._device)
        setattr(scene, name, self._held[name].data_ptr())

    def room(self, pairs: int) -> int:
        """How many pairs to reserve memory for where so many are needed."""
        return int(pairs * _ROOM)


def scan_blocks(count: int) -> int:
    """Blocks that scan so many values."""
    return -(-count // structs.SCAN_BLOCK)
