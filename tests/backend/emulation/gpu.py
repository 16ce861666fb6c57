"""An emulated card: the CUDA engine's kernels on the CPU, for tests (see emulation.h)."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

FOLDER = Path(__file__).parent
# Other systems lack these fibers.
COMPILER = shutil.which("g++") if sys.platform == "linux" else None
# As on a card, fuse multiplications and additions where the processor can.
FLAGS = ["-O2", "-std=c++17", "-shared", "-fPIC", "-Wall", "-Wno-unknown-pragmas", "-U_FORTIFY_SOURCE"]
KEPT: Path | None = None
"""Where all cards keep their libraries, instead of in their own folders."""


class EmulatedProgram:
    """The kernels, compiled with one set of options."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        self._emulate = self._library.emulate
        self._emulate.restype = None
        self._emulate.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]

    def launch(self, kernel: str, blocks: int, threads: int, scene: Tensor) -> None:
        address = ctypes.cast(self._library[kernel], ctypes.c_void_p)
        self._emulate(address, blocks, threads, scene.data_ptr())


class EmulatedGpu:
    """See backend.engines.cuda.gpu.Gpu."""

    name = "emulated"
    torch_device = torch.device("cpu")

    def __init__(self, folder: Path) -> None:
        """folder: for the built libraries."""
        self._folder = folder
        self._programs: dict[tuple[bool, bool], EmulatedProgram] = {}

    def program(self, *, linear: bool, textured: bool) -> EmulatedProgram:
        key = (linear, textured)
        if key not in self._programs:
            self._programs[key] = EmulatedProgram(self.built(linear=linear, textured=textured))
        return self._programs[key]

    def graph(self, work: Callable[[], None]) -> Callable[[], None]:
        return work

    def built(self, *, linear: bool, textured: bool) -> Path:
        """The library of the kernels for the CPU."""
        library = (KEPT or self._folder) / f"kernels{linear:d}{textured:d}.so"
        if library.exists():
            return library
        options = [f"-DLINEAR={linear:d}", f"-DTEXTURED={textured:d}"]
        with tempfile.TemporaryDirectory(dir=library.parent) as own:
            built = Path(own) / library.name
            command = [str(COMPILER), *FLAGS, *options, "-o", str(built), str(FOLDER / "library.cpp")]
            subprocess.run(command, check=True, timeout=100)
            built.replace(library)
        return library
