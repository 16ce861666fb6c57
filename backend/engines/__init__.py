"""The engines, behind one interface. An engine rasterizes primitives and differentiates the result.

All engines sample the same 8-bit mip levels (backend.templates) and share the conventions of backend.job. They take
plain tensors: `params` [N, 9] holds the columns of PARAMETERS, images are planes [3, H, W], and colors are encoded for
the compositing space (display-encoded, or linear light).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..job import UserError, check_range
from ..job.settings import check_engine
from ..templates import Templates
from .interface import PARAMETERS, Rasterizer

LONGEST_SIDE = 2**16
"""The longest side of a canvas, px. The engines number its tiles, and a stamp's texels, in 32 bits."""
MOST_PRIMITIVES = 2**24
"""The most primitives or candidates in one call."""
LARGEST = 1e18
"""The largest number of a primitive that `render` takes: single precision holds its square."""


def check_canvas(height: int, width: int) -> None:
    """Raises UserError for a canvas without pixels, or with a side longer than LONGEST_SIDE, px."""
    check_range("height", height, 1, LONGEST_SIDE)
    check_range("width", width, 1, LONGEST_SIDE)


def check_params(params: Tensor) -> None:
    """Raises UserError for more than MOST_PRIMITIVES, and for a number in params [N, 9] beyond LARGEST or infinite.

    NaN is allowed: it is not drawn. Waits for a GPU, once.
    """
    if len(params) > MOST_PRIMITIVES:
        raise UserError(f"There are {len(params):,} primitives, but the limit is {MOST_PRIMITIVES:,}: draw some later")
    beyond = params.detach().abs() > LARGEST
    if bool(beyond.any()):
        row, column = beyond.nonzero()[0].tolist()
        value = float(params[row, column])
        raise UserError(f"{PARAMETERS[column]}[{row}] is {value:g}, but must be from {-LARGEST:g} to {LARGEST:g}")


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
    threads: 0 = one per core. Only the reference engine uses dtype. Raises UserError where the engine cannot run, and
    for a canvas of no size or too large a one.

    An engine draws whatever numbers its tensors hold; templates and levels must be among those of `templates`.
    """
    from .choice import choose_engine, gpu_of

    check_canvas(height, width)
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
