"""The engines, behind one interface. An engine rasterizes primitives and differentiates the result.

All engines sample the same 8-bit mip levels (backend.templates) and share the conventions of backend.job. They take
plain tensors: `params` [N, 9] holds the columns of PARAMETERS, images are planes [3, H, W], and colors are encoded for
the compositing space (display-encoded, or linear light).
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
    """Makes an engine for a canvas of height x width px: one of settings.ENGINES, or a card such as "cuda:1".

    "auto" is the fastest that runs here and has memory for a picture. A fit needs more: see choose_engine.
    threads: 0 = one per core. Only the reference engine uses dtype. Raises UserError where the engine cannot run.
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
