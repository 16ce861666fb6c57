"""The CPU engine: buffers and threads for the compiled rasterizer (backend/csrc/raster_cpu.cpp)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..native import library
from ..native.arrays import ByteArray, FloatArray, IntArray
from ..native.threads import core_count, on_threads
from ..pictures.color import decode_table
from ..templates import Templates
from . import native
from .compiled import LOSSES, TILE, Addresses, Call, CompiledEngine, HostAddresses, Mode, Work
from .cpu_iteration import CpuIteration, Tools
from .interface import AdamRule, Placement, Scores, Solutions
from .levels import LevelTable

_MANY = 4096
"""The number of primitives from which it pays to share the work on each between threads."""
_BAND = np.float32(32.0)
"""Candidates are judged from left to right within bands of this height, px."""
_WIDEST = np.float32(2**16)
"""More than a canvas is wide, px."""


class CpuEngine(CompiledEngine):
    """The CPU engine: see engines.interface.Engine."""

    name = "cpu"
    waits = False
    _addresses, _scores, _solutions = HostAddresses, Scores, Solutions

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
        self.samples = 0
        """The number of samples that the latest call visited."""

    @property
    def held_bytes(self) -> int:
        """The memory that the engine keeps between calls, bytes."""
        return self._buffers.size + self._levels.nbytes

    def iteration(
        self,
        count: int,
        rule: AdamRule,
        *,
        loss: str = "mse",
        palette: FloatArray | None = None,
        shrink: float = 1.0,
    ) -> CpuIteration:
        size = (self._height, self._width)
        tools = Tools(self._native, self._templates, self._levels, self._run, self._threads)
        return CpuIteration(tools, size, count, rule, loss, palette, shrink, self._decode)

    def _run(
        self,
        mode: Mode,
        call: Call,
        grad: FloatArray | None = None,
        removal: FloatArray | None = None,
        loss: str = "mse",
        **saving: Any,  # the fields of Scene that leave out work
    ) -> float:
        tiles_x = -(-self._width // TILE)
        tiles_y = -(-self._height // (TILE * saving.get("row_step", 1)))
        parts = np.zeros(tiles_x * tiles_y)
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
            noise_key=call.noise.key,
            noise_contrast=call.noise.contrast,
            tile_loss=call.at.memory(parts),
            grad=call.at.of(grad),
            removal=call.at.of(removal),
            **saving,
        )
        self._buffers.prepare(scene)
        self._for_primitives(self._native.place, scene, call.at)
        self._buffers.reserve_pairs(scene, self._native.count(scene))
        self._for_primitives(self._native.fill, scene, call.at)
        self._buffers.bin(scene)
        self._on_all_threads(lambda thread: self._native.run(scene, thread), scene, call.at)
        if mode != "forward":
            self._for_primitives(self._native.reduce, scene, call.at)
        self.samples = scene.samples
        with np.errstate(all="ignore"):  # wild numbers of a caller have an infinite loss, or none
            return float(parts.sum())

    def _examine(
        self, work: Work, call: Call, params: FloatArray, result: FloatArray, rows: int, weight_plane: int = 0
    ) -> None:
        candidates = self._candidates(native.Candidates, call, result, weight_plane)
        candidates.row_step, candidates.order = rows, call.at.memory(_by_place(params))
        examine = self._native.solve if work == "solve" else self._native.gains
        self._on_all_threads(lambda thread: examine(candidates), candidates, call.at)

    def _levels_of(self, placement: Placement, at: Addresses, *, candidates: bool) -> tuple[Any, int]:
        numbers = self._levels.of(placement.template, placement.level, self._threads)
        return numbers, self._levels.levels

    def _floats(self, *shape: int) -> FloatArray:
        return np.empty(shape, np.float32)

    def _for_primitives(self, work: Callable[[native.Scene], object], scene: native.Scene, at: Addresses) -> None:
        """Calls work(scene), on each thread where there are many primitives."""
        if scene.count < _MANY:
            work(scene)
        else:
            self._on_all_threads(lambda thread: work(scene), scene, at)

    def _on_all_threads(self, work: Callable[[int], object], *kept: object) -> None:
        """Calls work(thread) on each thread; each keeps alive what the structs point to."""

        def on_thread(thread: int, kept: object = (kept, self._buffers, self._levels)) -> None:
            work(thread)

        on_threads(self._threads, on_thread)


def _by_place(params: FloatArray) -> IntArray:
    """The index [M] that puts primitives which lie close to each other one after the other."""
    with np.errstate(all="ignore"):  # wild numbers lie anywhere
        return np.argsort(np.floor(params[:, 1] / _BAND) * _WIDEST + params[:, 0])


@dataclass(eq=False)
class _Buffers:
    """Memory that stays between steps and grows to the largest scene so far."""

    library: native.Native
    threads: int

    def __post_init__(self) -> None:
        self._pairs, self._rows = 0, 0
        self._held: dict[str, ByteArray] = {}

    @property
    def size(self) -> int:
        return sum(len(held) for held in self._held.values())

    def prepare(self, scene: native.Scene) -> None:
        """Gives the scene memory for its primitives and tiles."""
        scene.primitives = self._hold("primitives", scene.count * self.library.primitive_bytes)
        scene.first_pair = self._hold("first_pair", (scene.count + 1) * 8)
        scene.first_entry = self._hold("first_entry", (scene.tiles_x * scene.tiles_y + 1) * 8)
        scene.order = self._hold("order", scene.tiles_x * scene.tiles_y * 8)

    def reserve_pairs(self, scene: native.Scene, needed: int) -> None:
        """Gives the scene memory for so many pairs of a primitive and a tile."""
        if needed > self._pairs:
            self._pairs = needed + needed // 4
        scene.pair_capacity = self._pairs
        scene.pairs = self._hold("pairs", self._pairs * ctypes.sizeof(native.Pair))
        scene.entries = self._hold("entries", self._pairs * 8)
        if scene.mode != native.MODES["forward"]:
            scene.records = self._hold("records", self._pairs * native.RECORD_BYTES)

    def bin(self, scene: native.Scene) -> None:
        """Bins the pairs by tile and gives the scene rows of samples for the fullest tile."""
        needed = self.library.bin(scene)
        if scene.mode != native.MODES["forward"]:
            self._rows = max(self._rows, needed)
            scene.rows = self._hold("rows", self.threads * self._rows * self.library.row_bytes)
            scene.row_capacity = self._rows

    def _hold(self, name: str, size: int) -> int:
        """The address of a buffer of at least `size` bytes, aligned as the vectors need."""
        if name not in self._held or len(self._held[name]) < size + native.ALIGNMENT:
            self._held[name] = np.empty(size + size // 4 + native.ALIGNMENT, np.uint8)
        address = self._held[name].ctypes.data
        return address + -address % native.ALIGNMENT
