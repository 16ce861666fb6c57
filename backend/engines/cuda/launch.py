"""Launches the rasterizing kernels in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from . import structs
from .buffers import scan_blocks
from .structs import Scene

if TYPE_CHECKING:
    from .gpu import Program

_THREADS = 128  # per block, where a thread or warp has one primitive


def launch_bins(program: Program, scene: Scene, memory: Tensor) -> None:
    """Prepares and bins the primitives; scene.cells must be 0. memory: the scene on the device."""
    launch_each(program, "prepare_primitives", scene.count, memory)
    launch_each(program, "count_pairs", scene.chunks * structs.WARP, memory)
    cells = scene.tiles_x * scene.tiles_y * scene.chunks
    program.launch("scan_cells", scan_blocks(cells) + scan_blocks(scene.count), structs.SCAN_THREADS, memory)
    program.launch("scan_bases", 2, structs.SCAN_THREADS, memory)
    launch_each(program, "fill_entries", scene.chunks * structs.WARP, memory)


def launch_tiles(program: Program, scene: Scene, mode: str, memory: Tensor) -> None:
    """Draws the binned primitives, with gradients and the loss where the mode has them."""
    tiles = scene.tiles_x * scene.tiles_y
    program.launch(f"rasterize_{mode}", tiles, structs.TILE_THREADS, memory)
    if mode != "forward":
        launch_each(program, "reduce_records", scene.count * structs.WARP, memory)
    if mode in ("step", "scored"):
        program.launch("sum_loss", 1, structs.SCAN_THREADS, memory)


def launch_each(program: Program, kernel: str, threads: int, memory: Tensor) -> None:
    """Launches at least this many threads, in whole blocks."""
    if threads:
        program.launch(kernel, -(-threads // _THREADS), _THREADS, memory)
