"""The rasterizer of the compiled library: its structs and functions for ctypes."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_float, c_int32, c_int64, c_uint32, c_void_p

import numpy as np

from ..native.arrays import FloatArray
from ..native.calls import FLOATS, function
from ..native.library import Library
from ..native.structs import Float, Int, Long, Pointer, Unsigned, struct
from ..pictures.color import decode_table
from . import structs
from .interface import Noise
from .levels import Level
from .structs import Descent, PlanePointers

MODES = {"forward": 0, "backward": 1, "step": 2, "scored": 2}
RECORD_BYTES = 64
"""The size of a record of moments: 16 floats."""
ALIGNMENT = 64
"""The alignment of all vectors, bytes."""


class Pair(ctypes.Structure):
    """Mirror of struct Pair of scene.h."""

    _fields_ = [("primitive", c_int32), ("tile", c_int32), ("rows", c_uint32)]


@struct
class Scene(ctypes.Structure):
    """Mirror of struct Scene of scene.h."""

    __slots__ = ()
    width: Int = 0
    height: Int = 0
    tiles_x: Int = 0
    tiles_y: Int = 0
    count: Int = 0
    mode: Int = 0
    loss: Int = 0
    linear: Int = 0
    row_step: Int = 0
    row_phase: Int = 0
    noise_key: Unsigned = 0
    noise_contrast: Float = 0.0
    threshold: Float = 0.0
    next_block: Int = 0
    planes: PlanePointers = PlanePointers()
    tile_loss: Pointer = None
    grad: Pointer = None
    removal: Pointer = None
    primitives: Pointer = None
    first_pair: Pointer = None
    pairs: Pointer = None
    pair_capacity: Long = 0
    first_entry: Pointer = None
    entries: Pointer = None
    records: Pointer = None
    rows: Pointer = None
    row_capacity: Long = 0
    order: Pointer = None
    samples: Long = 0
    next_tile: Long = 0


@struct
class Candidates(structs.Candidates):
    """Mirror of struct Candidates of scene.h."""

    __slots__ = ()
    next: Long = 0
    order: Pointer = None
    row_step: Long = 0


class Native:
    """The functions of the library that rasterize and descend."""

    def __init__(self, library: Library) -> None:
        """Binds the functions. Raises UserError where the library is of another version."""
        library.check((0, Scene), (1, Level), (3, Pair), (5, Candidates))
        self.place = library.function("diffbmp_place", None, POINTER(Scene))
        self.count = library.function("diffbmp_count", c_int64, POINTER(Scene))
        self.fill = library.function("diffbmp_fill", None, POINTER(Scene))
        self.bin = library.function("diffbmp_bin", c_int64, POINTER(Scene))
        self.run = library.function("diffbmp_run", None, POINTER(Scene), c_int32)
        self.reduce = library.function("diffbmp_reduce", None, POINTER(Scene))
        self.solve = library.function("diffbmp_solve", None, POINTER(Candidates))
        self.gains = library.function("diffbmp_gains", None, POINTER(Candidates))
        self.show = library.function("diffbmp_show", c_int64, POINTER(Descent))
        self.descend = library.function("diffbmp_descend", None, POINTER(Descent))
        size_of = library.function("diffbmp_size_of", c_int64, c_int32)
        self.primitive_bytes, self.row_bytes = size_of(2), size_of(4)


def noise_plane(noise: Noise, height: int, width: int, *, space: str = "display") -> FloatArray:
    """The background [3, height, width] that a step with this noise sees, as composited."""
    plane = np.empty((3, height, width), np.float32)
    decode = decode_table() if space == "linear" else None
    fill = function("diffbmp_noise", FLOATS, c_int32, c_int32, c_uint32, c_float, c_void_p)
    fill(plane, height, width, noise.key, noise.contrast, None if decode is None else decode.ctypes.data)
    return plane
