"""The compiled library: its choice for this processor, and its functions for ctypes, which releases the GIL in them."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from ctypes import c_int32, c_int64
from typing import Any

from ..csrc.libraries import LIBRARIES, library_file, this_platform
from ..job import Action, UserError
from ..stopwatch import counted

LEVELS = {"sse4": 2, "avx2": 3, "avx512": 4}
"""The x86-64 level of each instruction set that DIFFBMP_ISA may name."""

NAMES = {2: "SSE4", 3: "AVX2", 4: "AVX-512"}


class Library:
    """A compiled library and its functions."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._library = ctypes.CDLL(path)

    def function(self, name: str, result: object, *arguments: object) -> Callable[..., Any]:
        """Returns the function of this name, with ctypes for its result and arguments. The stopwatch counts it."""
        function: Any = self._library[name]  # another object each time: bindings do not change each other
        function.restype, function.argtypes = result, arguments
        return counted(function)

    def check(self, *kinds: tuple[int, type[ctypes.Structure]]) -> None:
        """Raises UserError where a struct has another size there. kinds: its number in diffbmp_size_of, mirror."""
        size_of = self.function("diffbmp_size_of", c_int64, c_int32)
        if any(size_of(number) != ctypes.sizeof(kind) for number, kind in kinds):
            raise UserError(
                f"{self.path} is not of this version: build the engine again with: python -m backend.csrc.build"
            )


def best_level() -> int:
    """The highest x86-64 level of this processor; 0 on others."""
    system, machine = this_platform()
    if machine != "x86_64":
        return 0
    return _open(library_file(system, machine, 2)).function("diffbmp_cpu_level", c_int32)()


def load(level: int | None = None) -> tuple[Library, str]:
    """Loads the library for this processor; returns it and its name, such as "AVX-512". level: the highest to use.

    Without a level, the environment variable DIFFBMP_ISA may name the instruction set. Raises UserError where the
    library is missing or cannot be loaded.
    """
    system, machine = this_platform()
    able = best_level()
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
def _open(name: str) -> Library:
    path = LIBRARIES / name
    if not path.exists():
        raise UserError(
            f"The CPU engine for this machine is missing ({name}): build it with: python -m backend.csrc.build",
            Action.INSTALL,
        )
    try:
        return Library(str(path))
    except OSError as error:
        raise UserError(f"The CPU engine {name} cannot be loaded: {error}", Action.INSTALL) from error
