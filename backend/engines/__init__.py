"""The engines: one interface, a room for each. An engine rasterizes primitives and differentiates the result.

All engines sample the same 8-bit mip levels (backend.templates) and share the conventions of backend.job. Between
them stand plain tensors: `params` [N, 9] holds the columns of PARAMETERS, colours and backgrounds are the numbers
that are composited (display-encoded in the display space, light in the linear one), images are planes [3, H, W].
"""

from __future__ import annotations

import torch

from ..job.settings import check_engine
from ..templates import Templates
from .interface import Rasterizer


def make_rasterizer(
    engine: str,
    templates: Templates,
    height: int,
    width: int,
    *,
    space: str = "display",
    threads: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Rasterizer:
    """An engine for a canvas of height x width px: one of settings.ENGINES, or a card as "cuda:1".

    "auto" is the fastest that works here and has the memory for a picture; a fit's needs more: see choose_engine.
    threads: 0 = one per core. dtype other than float32 is the reference's privilege.
    Raises UserError with the cause where the engine cannot run.
    """
    from .choice import choose_engine, gpu_of

    chosen = choose_engine(engine, templates, 0, height, width).engine if engine == "auto" else engine
    if chosen == "reference":
        from .reference import ReferenceRasterizer

        return ReferenceRasterizer(templates, height, width, space=space, threads=threads, dtype=dtype)
    if chosen == "cpu":
        from .cpu import CpuRasterizer

        return CpuRasterizer(templates, height, width, space=space, threads=threads)
    check_engine(chosen)
    from .cuda.rasterizer import CudaRasterizer

    return CudaRasterizer(templates, height, width, gpu_of(chosen), space=space)
