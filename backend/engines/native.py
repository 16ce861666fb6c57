"""The compiled CPU library: its structs for ctypes, and the choice of the variant for this processor."""

from __future__ import annotations

import ctypes
import functools
import os
from ctypes import POINTER, c_int16, c_int32, c_int64

from ..csrc.build import LIBRARIES, library_file, this_platform
from ..job import Action, UserError
from . import structs
from .levels import Level
from .structs import Int, Long, PlanePointers, Pointer, struct

LEVELS = {"sse4": 2, "avx2": 3, "avx512": 4}
"""The x86-64 level of each instruction set that DIFFBMP_ISA may name."""

NAMES = {2: "SSE4", 3: "AVX2", 4: "AVX-512"}

MODES = {"forward": 0, "backward": 1, "step": 2, "scored": 2}
RECORD_BYTES = 64
"""The size of a record of moments (16 floats), and the alignment of all vectors."""


class Pair(ctypes.Structure):
    """Mirror of struct Pair of scene.h."""

    _fields_ = [("primitive", c_int32), ("tile", c_int32), ("first", c_int16), ("last", c_int16)]


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
    samples: Long = 0
    next_tile: Long = 0


@struct
class Candidates(structs.Candidates):
    """Mirror of struct Candidates of scene.h."""

    __slots__ = ()
    next: Long = 0


class Native:
    """The functions of the library. ctypes releases the GIL while one runs."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)
        self.prepare = self._function("diffbmp_prepare", c_int64, POINTER(Scene))
        self.bin = self._function("diffbmp_bin", c_int64, POINTER(Scene))
        self.run = self._function("diffbmp_run", None, POINTER(Scene), c_int32)
        self.reduce = self._function("diffbmp_reduce", None, POINTER(Scene))
        self.solve = self._function("diffbmp_solve", None, POINTER(Candidates))
        self.gains = self._function("diffbmp_gains", None, POINTER(Candidates))
        self.cpu_level = self._function("diffbmp_cpu_level", c_int32)
        size_of = self._function("diffbmp_size_of", c_int64, c_int32)
        sizes = [size_of(i) for i in range(6)]
        if [sizes[i] for i in (0, 1, 3, 5)] != [ctypes.sizeof(kind) for kind in (Scene, Level, Pair, Candidates)]:
            raise UserError(f"{path} is not of this version: build the engine again with: python -m backend.csrc.build")
        self.primitive_bytes, self.row_bytes = sizes[2], sizes[4]

    def _function(self, name: str, result: object, *arguments: object) -> ctypes._NamedFuncPointer:
        function = getattr(self._library, name)
        function.restype, function.argtypes = result, arguments
        return function


def load(level: int | None = None) -> tuple[Native, str]:
    """Loads the library for this processor; returns it and its name, such as "AVX-512". level: the highest to use.

    Without a level, the environment variable DIFFBMP_ISA may name the instruction set. Raises UserError where the
    library is missing or cannot be loaded.
    """
    system, machine = this_platform()
    able = _open(library_file(system, machine, 2)).cpu_level() if machine == "x86_64" else 0
    if level is None and (name := os.environ.get("DIFFBMP_ISA")):
        level = _forced(name, able)
        return _open(library_file(system, machine, level)), NAMES[level]
    if not able:
        return _open(library_file(system, machine, 0)), machine
    for candidate in range(min(able, level or able), 2, -1):
        if (LIBRARIES / library_file(system, machine, candidate)).exists():
            return _open(library_file(system, machine, candidate)), NAMES[candidate]
    return _open(library_file(system, machine, 2)), NAMES[2]


def _forced(name: str, able: int) -> int:
    """The level that DIFFBMP_ISA names. Raises UserError where the processor lacks it."""
    sets = [name for name, level in LEVELS.items() if level <= able]
    if name not in sets:
        raise UserError(f"DIFFBMP_ISA is {name}, but this processor has {' and '.join(sets) or 'no such choice'}")
    return LEVELS[name]


@functools.cache
def _open(name: str) -> Native:
    path = LIBRARIES / name
    if not path.exists():
        raise UserError(
            f"The CPU engine for this machine is missing ({name}): build it with: python -m backend.csrc.build",
            Action.INSTALL,
        )
    try:
        return Native(str(path))
    except OSError as error:
        raise UserError(f"The CPU engine {name} cannot be loaded: {error}", Action.INSTALL) from error
