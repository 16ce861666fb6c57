"""Which engine computes a job: what was asked for or, where that is left open, a card that has the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..job import Action, UserError
from ..job.settings import check_engine
from ..templates import Templates

if TYPE_CHECKING:
    from .cuda.gpu import CudaGpu


@dataclass(frozen=True)
class EngineChoice:
    """The engine as make_rasterizer takes it, not "auto"; and why "auto" is not the GPU, else empty."""

    engine: str
    reason: str = ""


def choose_engine(engine: str, templates: Templates, count: int, height: int, width: int) -> EngineChoice:
    """The engine for a fit of `count` primitives on a canvas of height x width px.

    "auto" is the first card that works if it has enough memory, else the CPU. What was named stays.
    Raises UserError where it does not run or lacks the memory.
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
    """The card of "cuda:1", or the first that works. Raises UserError with the cause where it does not."""
    from .cuda.gpu import find_gpu

    return find_gpu(int(engine.split(":")[1]) if ":" in engine else None)


def _check_memory(gpu: CudaGpu, templates: Templates, count: int, height: int, width: int) -> None:
    from .cuda import memory

    stamps = memory.Stamps.of(templates)
    needed, free = memory.estimate(count, height, width, stamps), gpu.free_bytes
    if needed <= free:
        return
    fitting = memory.largest(count, height, width, stamps, free)
    mend = f"use {fitting[1]} x {fitting[0]} px or less" if fitting[0] else "use the CPU"
    raise UserError(
        f"{gpu.name} has {free / 1e9:.1f} GB of memory free, but {count} primitives on {width} x {height} px need some "
        f"{needed / 1e9:.1f} GB: {mend}",
        Action.HALVE_SIZE if fitting[0] else Action.USE_CPU,
    )
