"""The functions of the compiled library that make mip levels (backend/csrc/levels_cpu.cpp)."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from ctypes import POINTER, c_int32, c_int64, c_void_p
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..job import UserError
from ..native.arrays import ByteArray
from ..native.library import load
from ..native.structs import Float, Int, Pointer, struct

LEVELS_PER_OCTAVE = 2

BLEED_WEIGHT = 1e-4
"""The weight of a transparent texel's color, visible only where all texels are transparent."""

_PARALLEL = 2**18
"""The number of texels from which threads share the work: starting them takes as long as some of these."""

SizeArray = NDArray[np.int32]


@struct
class Stamp(ctypes.Structure):
    """Mirror of struct Stamp of levels_cpu.cpp."""

    __slots__ = ()
    texels: Pointer = None
    widths: Pointer = None
    heights: Pointer = None
    wanted: Pointer = None
    levels: Pointer = None
    bitmaps: Pointer = None
    channels: Int = 0
    planes: Int = 0
    first: Int = 0
    count: Int = 0
    count_u: Int = 0
    count_v: Int = 0
    width: Int = 0
    height: Int = 0
    bleed: Float = 0.0


class _Native:
    def __init__(self) -> None:
        library, _ = load()
        size_of = library.function("diffbmp_stamp_bytes", c_int64)
        if size_of() != ctypes.sizeof(Stamp):
            raise UserError(f"{library.path} is not of this version: build it again: python -m backend.csrc.build")
        self.levels = library.function(
            "diffbmp_levels", None, POINTER(Stamp), c_int64, POINTER(c_int64), c_void_p, c_int64
        )
        self.bleed = library.function("diffbmp_bleed", None, c_void_p, c_int32, c_int32, c_void_p, c_int64)


_native = cache(_Native)


@cache
def level_sizes(side: int) -> SizeArray:
    """Returns the size of each mip level of a side, texels, int32: from `side` to 1."""
    count = 1 + math.ceil(LEVELS_PER_OCTAVE * math.log2(side))
    sizes = [max(1, round(side * 2.0 ** (-level / LEVELS_PER_OCTAVE))) for level in range(count)]
    result = np.array(sizes, np.int32)
    result.flags.writeable = False
    return result


def stamp_of(texels: ByteArray, first: int, height: int, width: int, wanted: SizeArray, *, planes: int) -> Stamp:
    """Returns the work to make levels; whoever calls keeps the arrays alive and fills in where the result goes.

    texels: the level (first, first), contiguous [h, w] alpha or [h, w, 4]. height, width: of the level (0, 0). wanted
    [K, 2]: int32, contiguous. planes: 1 = only alpha, 4 = also the colors.
    """
    widths, heights = level_sizes(width), level_sizes(height)
    return Stamp(
        texels=texels.ctypes.data,
        widths=widths.ctypes.data,
        heights=heights.ctypes.data,
        wanted=wanted.ctypes.data,
        channels=1 if texels.ndim == 2 else texels.shape[2],
        planes=planes,
        first=first,
        count=len(wanted),
        count_u=len(widths),
        count_v=len(heights),
        width=width,
        height=height,
        bleed=BLEED_WEIGHT,
    )


def make_levels(stamps: Sequence[Stamp], kept: object, threads: int = 1) -> None:
    """Makes the levels of stamps. kept: what owns the memory; it stays until no thread works on it any more."""
    areas = [_area(stamp) for stamp in stamps]
    scratch = max((_scratch_bytes(stamp) for stamp in stamps), default=0)
    work, following = (Stamp * len(stamps))(*stamps), c_int64(0)

    def make(_kept: object) -> None:
        memory = np.empty(scratch, np.uint8)
        _native().levels(work, len(stamps), following, memory.ctypes.data, scratch)

    threads = min(threads, len(stamps)) if sum(areas) > _PARALLEL else 1
    if threads <= 1:
        make(kept)
        return
    from concurrent.futures import ThreadPoolExecutor  # one thread needs no pool

    with ThreadPoolExecutor(threads, "diffbmp-levels") as pool:
        for done in [pool.submit(make, kept) for _ in range(threads)]:
            done.result()


def level_pictures(
    texels: ByteArray,
    first: int,
    height: int,
    width: int,
    levels: NDArray[np.integer[Any]],
    *,
    planes: int,
    bleed: float = BLEED_WEIGHT,
) -> list[ByteArray]:
    """Returns pictures of levels [K, 2], uint8 [h, w, 4] or [h, w] of alpha alone: see stamp_of for the arguments."""
    wanted = np.ascontiguousarray(levels, np.int32)
    sizes = zip(level_sizes(height)[wanted[:, 1]].tolist(), level_sizes(width)[wanted[:, 0]].tolist(), strict=True)
    result = [np.empty((*size, 4) if planes == 4 else size, np.uint8) for size in sizes]
    addresses = np.array([picture.ctypes.data for picture in result], np.uintp)
    work = stamp_of(texels, first, height, width, wanted, planes=planes)
    work.bitmaps, work.bleed = addresses.ctypes.data, bleed
    make_levels([work], (texels, wanted, addresses, result))
    return result


def reduced(rgba: ByteArray, level: int, *, planes: int) -> ByteArray:
    """Returns the mip level (level, level) of a picture [h, w, 4]: its alpha [h, w] or RGBA. Hidden colors are lost."""
    texels, levels = np.ascontiguousarray(rgba), np.array([[level, level]])
    height, width = texels.shape[:2]
    return level_pictures(texels, 0, height, width, levels, planes=planes, bleed=0.0)[0]


def bleed_colors(rgba: ByteArray) -> ByteArray:
    """Gives transparent texels the color of visible ones nearby: uint8 [h, w, 4]. Alpha and visible texels stay.

    Each takes the mean of the smallest area of an image pyramid that has a visible texel.
    """
    alpha = rgba[..., 3]
    if alpha.all() or not alpha.any():
        return rgba
    result = np.array(rgba, order="C")
    height, width = alpha.shape
    count = 16 * (height * width // 3 + 6 * (height + width) + 64) + 64 * (height + width) + 16384
    memory = np.empty(count, np.uint8)
    _native().bleed(result.ctypes.data, width, height, memory.ctypes.data, count)
    return result


def _area(stamp: Stamp) -> int:
    return (stamp.width >> stamp.first // LEVELS_PER_OCTAVE) * (stamp.height >> stamp.first // LEVELS_PER_OCTAVE)


def _scratch_bytes(stamp: Stamp) -> int:
    """The memory for a path of planes, each about half of its parent, for a level in 8 bits, and for rows."""
    shrink = 2 ** (stamp.first // LEVELS_PER_OCTAVE)
    width, height = stamp.width // shrink + 1, stamp.height // shrink + 1
    return 4 * stamp.planes * (2 * width * height + 64 * (width + height)) + 128 * (width + height) + 16384
