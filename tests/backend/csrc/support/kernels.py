"""Calls the rasterizer of the compiled library with NumPy arrays, without an engine around it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.engines import native
from backend.engines.levels import Level
from backend.native import library
from backend.native.arrays import BoolArray, ByteArray, FloatArray

TILE, BORDER = 16, 2


@dataclass
class Result:
    """What a step returns. rows: the rows of samples that were differentiated."""

    loss: float
    grad: FloatArray
    removal: FloatArray
    image: FloatArray
    loss_map: FloatArray
    rows: int

    @staticmethod
    def unset(count: int, height: int, width: int) -> Result:
        """Arrays of NaN."""
        shapes: list[tuple[int, ...]] = [(count, 9), (count,), (3, height, width), (height, width)]
        arrays = [np.full(shape, np.nan, np.float32) for shape in shapes]
        return Result(0.0, arrays[0], arrays[1], arrays[2], arrays[3], 0)


def disc(size: int, softness: float = 0.2, seed: int = 0) -> ByteArray:
    """A round stamp with a soft edge and random colors: [size, size, 4]."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    alpha = np.clip((1 - np.hypot(x, y)) / softness, 0, 1)
    colors = np.random.default_rng(seed).integers(0, 256, (size, size, 3))
    return np.dstack([colors, np.round(255 * alpha)]).astype(np.uint8)


class Kernels:
    """One stamp on one canvas."""

    def __init__(self, stamp: ByteArray, height: int, width: int, *, textured: bool, level: int | None = None) -> None:
        self.native = native.Native(library.load(level)[0])
        self.height, self.width = height, width
        self._kept: list[Any] = []
        size = len(stamp)
        padded = np.pad(stamp.astype(np.uint32), ((BORDER, BORDER), (BORDER, BORDER), (0, 0)))
        corners = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
        packed = np.bitwise_or.reduce([corner << np.uint32(8 * i) for i, corner in enumerate(corners)])
        alpha, texture = np.ascontiguousarray(packed[..., 3]), np.ascontiguousarray(packed[..., :3])
        self._level = Level()
        self._level.alpha = alpha.ctypes.data
        self._level.texture = texture.ctypes.data if textured else None
        self._level.width = self._level.height = size
        self._level.density_u = self._level.density_v = size / 2
        self._level.half_u = self._level.half_v = (size - 1) / 2
        self._level.radius = 1.0
        self._level.mode, self._level.blend = (1, 0.6) if textured else (0, 0.0)
        self._kept += [alpha, texture]

    def step(
        self,
        params: FloatArray,
        mirror: BoolArray,
        background: FloatArray | None,
        target: FloatArray,
        weight: FloatArray,
        *,
        decode: FloatArray | None = None,
        threads: int = 1,
        ordered: bool = True,
        **options: Any,
    ) -> Result:
        """One scored step. options: fields of Scene. With several threads, all of its phases are shared."""
        row_step = options.get("row_step", 1)
        tiles_x, tiles_y = -(-self.width // TILE), -(-self.height // (TILE * row_step))
        tiles, count = tiles_x * tiles_y, len(params)
        numbers, flags, parts = np.zeros(count, np.int32), mirror.astype(np.uint8), np.zeros(tiles)
        first_pair, first_entry = np.zeros(count + 1, np.int64), np.zeros(tiles + 1, np.int64)
        order, primitives = np.zeros(2 * tiles, np.int32), np.zeros(count * self.native.primitive_bytes, np.uint8)
        result = Result.unset(count, self.height, self.width)
        planes = {
            "params": params, "level": numbers, "mirror": flags, "decode": decode, "background": background,
            "image": result.image, "target": target, "weight": weight, "loss_map": result.loss_map,
        }  # fmt: skip
        fields = {
            "tile_loss": parts, "grad": result.grad, "removal": result.removal, "primitives": primitives,
            "first_pair": first_pair, "first_entry": first_entry, "order": order if ordered else None,
        }  # fmt: skip
        scene = native.Scene(
            width=self.width,
            height=self.height,
            tiles_x=tiles_x,
            tiles_y=tiles_y,
            count=count,
            mode=native.MODES["scored"],
            linear=decode is not None,
            planes=native.PlanePointers(levels=ctypes.addressof(self._level), **addresses(planes)),
            **addresses(fields),
            **options,
        )
        result.rows = self._run(scene, threads)
        result.loss = float(parts.sum())
        return result

    def _run(self, scene: native.Scene, threads: int) -> int:
        """Makes all phases of a step. Returns the rows of samples."""
        on_all(threads, lambda _: self.native.place(scene))
        pairs = self.native.count(scene)
        held = np.zeros((pairs, 3), np.uint32), np.zeros(pairs, np.int64), aligned(pairs * native.RECORD_BYTES)
        scene.pairs, scene.entries, scene.records = (array.ctypes.data for array in held)
        scene.pair_capacity = pairs
        on_all(threads, lambda _: self.native.fill(scene))
        scene.row_capacity = self.native.bin(scene)
        rows = aligned(threads * scene.row_capacity * self.native.row_bytes)
        scene.rows = rows.ctypes.data
        on_all(threads, lambda thread: self.native.run(scene, thread))
        on_all(threads, lambda _: self.native.reduce(scene))
        return int(np.unpackbits(held[0][:, 2:].copy().view(np.uint8)).sum())

    def gains(
        self, params: FloatArray, mirror: BoolArray, image: FloatArray, target: FloatArray, weight: FloatArray,
        loss_map: FloatArray, row_step: int = 1, solve: bool = False,
    ) -> FloatArray:  # fmt: skip
        """The gains of candidates, or their solutions [N, 8] with weight [3, H, W]."""
        numbers, flags = np.zeros(len(params), np.int32), mirror.astype(np.uint8)
        order = np.arange(len(params))[::-1].copy()
        result = np.full((len(params), 8) if solve else len(params), np.nan, np.float32)
        candidates = native.Candidates(
            width=self.width,
            height=self.height,
            count=len(params),
            params=params.ctypes.data,
            level=numbers.ctypes.data,
            mirror=flags.ctypes.data,
            levels=ctypes.addressof(self._level),
            image=image.ctypes.data,
            target=target.ctypes.data,
            weight=weight.ctypes.data,
            loss_map=loss_map.ctypes.data,
            result=result.ctypes.data,
            row_step=row_step,
            order=order.ctypes.data,
        )
        (self.native.solve if solve else self.native.gains)(candidates)
        return result


def addresses(arrays: dict[str, Any]) -> dict[str, Any]:
    """The addresses of arrays; None stays."""
    return {name: None if array is None else array.ctypes.data for name, array in arrays.items()}


def aligned(size: int) -> ByteArray:
    """Bytes at an address that is a multiple of 64."""
    whole = np.zeros(size + 64, np.uint8)
    start = -whole.ctypes.data % 64
    return whole[start : start + size]


def on_all(threads: int, work: Callable[[int], object]) -> None:
    """Calls work(thread) on several threads at once."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
