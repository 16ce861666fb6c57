"""The CPU engine: buffers and threads for the compiled rasterizer (backend/csrc/raster_cpu.cpp)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from ..native import library
from ..native.threads import core_count
from ..pictures.color import decode_table
from ..templates import Templates
from . import native
from .compiled import LOSSES, TILE, Addresses, Call, CompiledRasterizer, Mode, Work
from .interface import AdamRule, Placement
from .levels import LevelTable


class CpuRasterizer(CompiledRasterizer):
    """The CPU engine: see engines.interface.Rasterizer."""

    name = "cpu"
    torch_device = torch.device("cpu")

    def __init__(
        self,
        templates: Templates,
        height: int,
        width: int,
        *,
        space: str = "display",
        threads: int = 0,
        instructions: int | None = None,
    ) -> None:
        """Loads the library. instructions: the highest x86-64 level to use (3: AVX2, 4: AVX-512); None = the best."""
        loaded, set_name = library.load(instructions)
        self._native = native.Native(loaded)
        self._threads = threads or core_count()
        self.device = f"{self._threads} CPU threads, {set_name}"
        self._templates, self._height, self._width = templates, height, width
        self._levels = LevelTable.of_templates(templates)
        self._decode = decode_table() if space == "linear" else None
        self._buffers = _Buffers(self._native, self._threads)
        # The calling thread works too.
        self._pool = ThreadPoolExecutor(max(self._threads - 1, 1), "diffbmp")
        self.samples = 0
        """The number of samples that the latest call visited."""

    @property
    def held_bytes(self) -> int:
        """The memory that the engine keeps between calls, bytes."""
        return self._buffers.size + self._levels.nbytes

    def iteration(self, count: int, rule: AdamRule, **options: object) -> None:
        """None: PyTorch makes the steps of a fit. See Rasterizer."""
        return None

    def _run(
        self, mode: Mode, call: Call, grad: Tensor | None = None, removal: Tensor | None = None, loss: str = "mse"
    ) -> Tensor:
        tiles_x, tiles_y = -(-self._width // TILE), -(-self._height // TILE)
        parts = torch.zeros(tiles_x * tiles_y, dtype=torch.float64)
        scene = native.Scene(
            width=self._width,
            height=self._height,
            tiles_x=tiles_x,
            tiles_y=tiles_y,
            count=call.count,
            mode=native.MODES[mode],
            loss=LOSSES[loss],
            linear=self._decode is not None,
            planes=call.planes,
            tile_loss=call.at.memory(parts),
            grad=call.at.of(grad),
            removal=call.at.of(removal),
        )
        self._buffers.prepare(scene)
        self._buffers.bin(scene)
        self._on_all_threads(self._native.run, scene, call.at, *[(thread,) for thread in range(self._threads)])
        if mode != "forward":
            self._native.reduce(scene)
        self.samples = scene.samples
        return parts.sum()

    def _examine(self, work: Work, call: Call, result: Tensor) -> None:
        candidates = self._candidates(native.Candidates, call, result)
        examine = self._native.solve if work == "solve" else self._native.gains
        self._on_all_threads(examine, candidates, call.at, *[()] * self._threads)

    def _levels_of(self, placement: Placement, at: Addresses, *, candidates: bool) -> tuple[Tensor, int]:
        numbers = self._levels.of(placement.template.numpy(), placement.level.numpy(), self._threads)
        at.kept.append(self._levels)
        return torch.from_numpy(numbers), self._levels.levels

    def _on_all_threads(
        self,
        work: Callable[..., object],
        struct: native.Scene | native.Candidates,
        at: Addresses,
        *arguments: tuple[int, ...],
    ) -> None:
        """Calls work(struct, *arguments) on each thread, with one tuple of arguments each."""

        def on_thread(own: tuple[int, ...], kept: Addresses) -> None:
            work(struct, *own)

        # Each thread keeps the memory alive: threads outlive an interrupted call.
        others = [self._pool.submit(on_thread, own, at) for own in arguments[1:]]
        on_thread(arguments[0], at)
        for other in others:
            other.result()


@dataclass
class _Buffers:
    """Memory that stays between steps and grows to the largest scene so far."""

    library: native.Native
    threads: int

    def __post_init__(self) -> None:
        self._pairs, self._rows = 0, 0
        self._held: dict[str, Tensor] = {}

    @property
    def size(self) -> int:
        return sum(held.numel() for held in self._held.values())

    def prepare(self, scene: native.Scene) -> None:
        """Gives the scene memory for its primitives and for the pairs of a primitive and a tile."""
        scene.primitives = self._hold("primitives", scene.count * self.library.primitive_bytes)
        scene.first_pair = self._hold("first_pair", (scene.count + 1) * 8)
        scene.first_entry = self._hold("first_entry", (scene.tiles_x * scene.tiles_y + 1) * 8)
        self._reserve_pairs(scene)
        needed = self.library.prepare(scene)
        if needed > self._pairs:
            self._pairs = needed + needed // 4
            self._reserve_pairs(scene)
            self.library.prepare(scene)
        if scene.mode != native.MODES["forward"]:
            scene.records = self._hold("records", self._pairs * native.RECORD_BYTES)

    def bin(self, scene: native.Scene) -> None:
        """Bins the pairs by tile and gives the scene rows of samples for the fullest tile."""
        needed = self.library.bin(scene)
        if scene.mode != native.MODES["forward"]:
            self._rows = max(self._rows, needed)
            scene.rows = self._hold("rows", self.threads * self._rows * self.library.row_bytes)
            scene.row_capacity = self._rows

    def _reserve_pairs(self, scene: native.Scene) -> None:
        scene.pair_capacity = self._pairs
        scene.pairs = self._hold("pairs", self._pairs * ctypes.sizeof(native.Pair))
        scene.entries = self._hold("entries", self._pairs * 8)

    def _hold(self, name: str, size: int) -> int:
        """The address of a buffer of at least `size` bytes."""
        if name not in self._held or self._held[name].numel() < size:
            # PyTorch aligns memory to 64 bytes, as the vectors need.
            self._held[name] = torch.empty(size + size // 4, dtype=torch.uint8)
        return self._held[name].data_ptr()
