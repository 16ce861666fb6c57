"""The CPU engine: buffers and threads for the compiled rasterizer (backend/csrc/raster_cpu.cpp)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from ..pictures.color import decode_table
from ..templates import Templates
from . import native
from .compiled import LOSSES, TILE, CompiledRasterizer, plain
from .interface import AdamRule, Placement
from .level_numbers import LevelNumbers
from .levels import Level, LevelTables, level_tables
from .threads import core_count


class CpuRasterizer(CompiledRasterizer):
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
        """instructions: x86-64 level to use at most (2, 3: AVX2, 4: AVX-512); None = the best that works."""
        self._native, set_name = native.load(instructions)
        self._threads = threads or core_count()
        self.device = f"{self._threads} CPU threads, {set_name}"
        self._templates, self._height, self._width = templates, height, width
        self._numbers = LevelNumbers(templates)
        self._level_list: list[Level] = []
        self._levels = (Level * 0)()
        self._tables: list[LevelTables] = []
        self._decode = decode_table() if space == "linear" else None
        self._buffers = _Buffers(self._native, self._threads)
        # The calling thread works too.
        self._pool = ThreadPoolExecutor(max(self._threads - 1, 1), "diffbmp")
        self.samples = 0
        """Samples that the latest call visited."""

    @property
    def held_bytes(self) -> int:
        """Memory that the engine keeps between calls."""
        return self._buffers.size + sum(table.nbytes for table in self._tables)

    def iteration(
        self,
        count: int,
        rule: AdamRule,
        *,
        loss: str = "mse",
        palette: Tensor | None = None,
        shrink: float = 1.0,
    ) -> None:
        """See Rasterizer: here steps are made by torch."""
        return None

    def _run(
        self,
        mode: str,
        params: Tensor,
        placement: Placement,
        planes: Mapping[str, Tensor | None],
        results: Mapping[str, Tensor],
        loss: str = "mse",
    ) -> Tensor:
        parts = torch.zeros(-(-self._height // TILE) * -(-self._width // TILE), dtype=torch.float64)
        scene = native.Scene(width=self._width, height=self._height, count=len(params))
        scene.tiles_x, scene.tiles_y = -(-self._width // TILE), -(-self._height // TILE)
        scene.mode, scene.loss = native.MODES[mode], LOSSES[loss]
        self._fill(scene, params, placement, planes, {**results, "tile_loss": parts})
        self._buffers.prepare(scene)
        self._buffers.bin(scene)
        self._on_all_threads(self._native.run, scene, *[(thread,) for thread in range(self._threads)])
        if mode != "forward":
            self._native.reduce(scene)
        self.samples = scene.samples
        return parts.sum()

    def _examine(
        self,
        work: str,
        params: Tensor,
        placement: Placement,
        planes: Mapping[str, Tensor | None],
        result: Tensor,
    ) -> None:
        candidates = native.Candidates(width=self._width, height=self._height, count=len(params))
        self._fill(candidates, params, placement, planes, {"result": result})
        self._on_all_threads(getattr(self._native, work), candidates, *[()] * self._threads)

    def _fill(
        self,
        struct: native.Scene | native.Candidates,
        params: Tensor,
        placement: Placement,
        planes: Mapping[str, Tensor | None],
        results: Mapping[str, Tensor],
    ) -> None:
        """What scenes and candidates have in common."""
        numbers = self._numbers.of(placement, self._add_level)
        inputs: dict[str, Tensor | None] = {
            **planes,
            "params": params,
            "level": numbers.int(),
            "mirror": placement.mirror.to(torch.uint8),
            "decode": self._decode,
        }
        struct.levels, struct.linear = self._levels, self._decode is not None
        # Kept with the struct, because where a call is interrupted its threads outlive it.
        struct.kept = {
            **results,
            **{name: plain(tensor) for name, tensor in inputs.items() if tensor is not None},
        }
        for name, tensor in struct.kept.items():
            setattr(struct, name, tensor.data_ptr())

    def _on_all_threads(
        self, work: Callable[..., object], struct: native.Scene | native.Candidates, *arguments: tuple[int, ...]
    ) -> None:
        """Calls work(struct, *arguments) on each thread with its own arguments."""
        others = [self._pool.submit(work, struct, *own) for own in arguments[1:]]
        work(struct, *arguments[0])
        for other in others:
            other.result()

    def _add_level(self, template: int, level_u: int, level_v: int) -> None:
        tables = level_tables(self._templates, template, level_u, level_v)
        self._tables.append(tables)
        texture = None if tables.texture is None else tables.texture.ctypes.data
        self._level_list.append(tables.at(tables.alpha.ctypes.data, texture))
        self._levels = (Level * len(self._level_list))(*self._level_list)


@dataclass
class _Buffers:
    """Memory between steps: it grows to the largest scene seen and stays."""

    library: native.Native
    threads: int

    def __post_init__(self) -> None:
        self._pairs, self._rows = 0, 0
        self._held: dict[str, Tensor] = {}

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(held.numel() for held in self._held.values())

    def prepare(self, scene: native.Scene) -> None:
        """Primitives and their pairs; called again with more memory where it was too little."""
        self._hold(scene, "primitives", scene.count * self.library.primitive_bytes)
        self._hold(scene, "first_pair", (scene.count + 1) * 8)
        self._hold(scene, "first_entry", (scene.tiles_x * scene.tiles_y + 1) * 8)
        self._reserve_pairs(scene)
        needed = self.library.prepare(scene)
        if needed > self._pairs:
            self._pairs = needed + needed // 4
            self._reserve_pairs(scene)
            self.library.prepare(scene)
        if scene.mode != native.MODES["forward"]:
            self._hold(scene, "records", self._pairs * native.RECORD_BYTES)

    def bin(self, scene: native.Scene) -> None:
        """The lists by tile, and rows of samples for the fullest tile."""
        needed = self.library.bin(scene)
        if scene.mode != native.MODES["forward"]:
            self._rows = max(self._rows, needed)
            self._hold(scene, "rows", self.threads * self._rows * self.library.row_bytes)
            scene.row_capacity = self._rows

    def _reserve_pairs(self, scene: native.Scene) -> None:
        scene.pair_capacity = self._pairs
        self._hold(scene, "pairs", self._pairs * ctypes.sizeof(native.Pair))
        self._hold(scene, "entries", self._pairs * 8)

    def _hold(self, scene: native.Scene, name: str, size: int) -> None:
        if name not in self._held or self._held[name].numel() < size:
            # torch's allocations are aligned to 64 bytes, as the vectors need.
            self._held[name] = torch.empty(size + size // 4, dtype=torch.uint8)
        setattr(scene, name, self._held[name].data_ptr())
