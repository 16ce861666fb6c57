"""The choice of a job's engine: the requested one or, by default, a card with enough memory."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..job import Action, UserError
from ..job.settings import check_engine
from ..templates import Templates

if TYPE_CHECKING:
    from .cuda.gpu import CudaGpu


@dataclass(frozen=True)
class EngineChoice:
    """An engine for make_engine, never "auto", and the reason why "auto" did not choose a card."""

    engine: str
    reason: str = ""


def choose_engine(engine: str, templates: Templates, count: int, height: int, width: int) -> EngineChoice:
    """Chooses the engine for a fit of `count` primitives on a canvas of height x width px.

    "auto" is the first usable card if it has enough memory, else the CPU. Other names stay.
    Raises UserError where a named card cannot run or lacks memory. Only cards need PyTorch, and where "auto" sees at
    once that none can be used, it does not import it: that takes seconds.
    """
    check_engine(engine)
    if engine != "auto" and not engine.startswith("cuda"):
        return EngineChoice(engine)
    try:
        gpu = gpu_of(engine)
        _check_memory(gpu, templates, count, height, width)
    except UserError as error:
        if engine != "auto":
            raise
        return EngineChoice("cpu", error.message)
    return EngineChoice(str(gpu.torch_device) if engine == "auto" else engine)


def gpu_of(engine: str) -> CudaGpu:
    """Finds the card "cuda:1", or the first usable one for "cuda" and "auto". Raises UserError with the cause."""
    if find_spec("torch") is None:
        raise UserError("PyTorch is not installed, which cards need: install it, or use the CPU", Action.INSTALL)
    if engine == "auto" and not has_driver():
        raise UserError("There is no NVIDIA driver: install one, or use the CPU", Action.USE_CPU)
    from .cuda.gpu import find_gpu

    return find_gpu(int(engine.split(":")[1]) if ":" in engine else None)


def has_driver() -> bool:
    """Whether there is a library of NVIDIA's driver, without which no card can be used."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _check_memory(gpu: CudaGpu, templates: Templates, count: int, height: int, width: int) -> None:
    from .cuda import memory

    stamps = memory.Stamps.of(templates)
    needed, free = memory.estimate(count, height, width, stamps), gpu.free_bytes
    if needed <= free:
        return
    fitting = memory.largest(count, height, width, stamps, free)
    mend = f"use {fitting[1]} x {fitting[0]} px or less" if fitting[0] else "use the CPU"
    raise UserError(
        f"{gpu.name} has {free / 1e9:.1f} GB of memory free, but {count} primitives on {width} x {height} px need "
        f"about {needed / 1e9:.1f} GB: {mend}",
        Action.HALVE_SIZE if fitting[0] else Action.USE_CPU,
    )
