"""The choice of an engine for PyTorch's tensors."""

from __future__ import annotations

import torch

from ..job.settings import check_engine
from ..templates import Templates
from . import check_canvas
from .choice import choose_engine, gpu_of
from .tensors import CpuRasterizer, Rasterizer


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
    """Makes an engine for tensors: see engines.make_engine, also for errors. Only the reference engine uses dtype.

    An engine draws whatever numbers its tensors hold; templates and levels must be among those of `templates`.
    """
    check_canvas(height, width)
    chosen = choose_engine(engine, templates, 0, height, width).engine if engine == "auto" else engine
    if chosen == "reference":
        from .reference import ReferenceRasterizer

        return ReferenceRasterizer(templates, height, width, space=space, threads=threads, dtype=dtype)
    if chosen == "cpu":
        return CpuRasterizer(templates, height, width, space=space, threads=threads)
    check_engine(chosen)
    from .cuda.rasterizer import CudaRasterizer

    return CudaRasterizer(templates, height, width, gpu_of(chosen), space=space)
