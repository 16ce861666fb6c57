"""The CPU engine: buffers and threads for the compiled rasterizer (backend/csrc/raster_cpu.cpp)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from ..color import decode_table
from ..templates import Templates
from . import PARAMETERS, AdamRule, LevelNumbers, Placement, Scores, Solutions, core_count, native
from .levels import Level, LevelTables, level_tables

TILE = 16


class CpuRasterizer:
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

    def forward(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
    ) -> tuple[Tensor, Tensor]:
        image, alpha = _floats(3, self._height, self._width), _floats(self._height, self._width)
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
        grad = _floats(len(params), len(PARAMETERS))
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
        planes = {"background": background, "target": target, "weight": weight}
        return self._step(params, placement, planes, {}, loss)

    def scored_step(
        self,
        params: Tensor,  # [N, 9]
        placement: Placement,
        background: Tensor,  # [3, H, W]
        target: Tensor,  # [3, H, W]
        weight: Tensor,  # [H, W]
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor, Scores]:
        shape = (self._height, self._width)
        results = {"image": _floats(3, *shape), "loss_map": _floats(*shape), "removal": _floats(len(params))}
        planes = {"background": background, "target": target, "weight": weight}
        return *self._step(params, placement, planes, results, loss), Scores(target, **results)

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

    def solve_on_top(
        self,
        params: Tensor,  # [M, 9]
        placement: Placement,
        image: Tensor,  # [3, H, W]
        target: Tensor,  # [3, H, W]
        weight: Tensor,  # [3, H, W]
    ) -> Solutions:
        result = _floats(len(params), native.SOLUTION)
        planes = {"image": image, "target": target, "weight": weight}
        self._examine(self._native.solve, params, placement, planes, result)
        return Solutions(result[:, :3], result[:, 3:6], result[:, 6])

    def gains_on_top(
        self,
        params: Tensor,  # [M, 9]
        placement: Placement,
        scores: Scores,
        weight: Tensor,  # [H, W]
    ) -> Tensor:
        result = _floats(len(params))
        planes = {"image": scores.image, "loss_map": scores.loss_map, "target": scores.target, "weight": weight}
        self._examine(self._native.gains, params, placement, planes, result)
        return result

    def _step(
        self,
        params: Tensor,
        placement: Placement,
        planes: Mapping[str, Tensor],
        scores: Mapping[str, Tensor],
        loss: str,
    ) -> tuple[Tensor, Tensor]:
        grad = _floats(len(params), len(PARAMETERS))
        parts = torch.empty(-(-self._height // TILE) * -(-self._width // TILE), dtype=torch.float64)
        self._run("step", params, placement, planes, {"grad": grad, "tile_loss": parts, **scores}, loss)
        return parts.sum(), grad

    def _run(
        self,
        mode: str,
        params: Tensor,
        placement: Placement,
        planes: Mapping[str, Tensor | None],
        results: Mapping[str, Tensor],
        loss: str = "mse",
    ) -> None:
        """One pass over the canvas. planes, results: what is read and what is written, by its name in struct Scene."""
        scene = native.Scene(width=self._width, height=self._height, count=len(params))
        scene.tiles_x, scene.tiles_y = -(-self._width // TILE), -(-self._height // TILE)
        scene.mode, scene.loss = native.MODES[mode], native.LOSSES[loss]
        self._fill(scene, params, placement, planes, results)
        self._buffers.prepare(scene)
        self._buffers.bin(scene)
        self._on_all_threads(self._native.run, scene, *[(thread,) for thread in range(self._threads)])
        if mode != "forward":
            self._native.reduce(scene)
        self.samples = scene.samples

    def _examine(
        self,
        work: Callable[..., object],
        params: Tensor,
        placement: Placement,
        planes: Mapping[str, Tensor | None],
        result: Tensor,
    ) -> None:
        """One pass over candidates; names are those of struct Candidates."""
        candidates = native.Candidates(width=self._width, height=self._height, count=len(params))
        self._fill(candidates, params, placement, planes, {"result": result})
        self._on_all_threads(work, candidates, *[()] * self._threads)

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
            **{name: _plain(tensor) for name, tensor in inputs.items() if tensor is not None},
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


def _plain(tensor: Tensor) -> Tensor:
    """As the library reads it: contiguous, and in single precision what a caller has in another."""
    return (tensor.float() if tensor.is_floating_point() else tensor).detach().contiguous()


def _floats(*shape: int) -> Tensor:
    """Memory for results, whatever torch's default type is."""
    return torch.empty(*shape, dtype=torch.float32)
