"""The engines, behind one interface. An engine rasterizes primitives and differentiates the result.

All engines sample the same 8-bit mip levels (backend.templates) and share the conventions of backend.job. They take
plain arrays: `params` [N, 9] holds the columns of PARAMETERS, images are planes [3, H, W], and colors are encoded for
the compositing space (display-encoded, or linear light). backend.engines.tensors has the same for PyTorch.
"""

from __future__ import annotations

from ..job import check_range
from ..job.settings import check_engine
from ..templates import Templates
from .interface import Engine

LONGEST_SIDE = 2**16
"""The longest side of a canvas, px. The engines number its tiles, and a stamp's texels, in 32 bits."""


def check_canvas(height: int, width: int) -> None:
    """Raises UserError for a canvas without pixels, or with a side longer than LONGEST_SIDE, px."""
    check_range("height", height, 1, LONGEST_SIDE)
    check_range("width", width, 1, LONGEST_SIDE)


def make_engine(
    engine: str, templates: Templates, height: int, width: int, *, space: str = "display", threads: int = 0
) -> Engine:
    """Makes an engine for a canvas of height x width px: one of settings.ENGINES, or a card such as "cuda:1".

    "auto" is the fastest that runs here and has memory for a picture. A fit needs more: see choose_engine.
    threads: 0 = one per core. Raises UserError where the engine cannot run, and for a canvas of no size or too large a
    one.

    An engine draws whatever numbers its arrays hold; templates and levels must be among those of `templates`.
    """
    from .choice import check_torch, choose_engine

    check_canvas(height, width)
    chosen = choose_engine(engine, templates, 0, height, width).engine if engine == "auto" else engine
    if chosen == "cpu":
        from .cpu import CpuEngine

        return CpuEngine(templates, height, width, space=space, threads=threads)
    check_engine(chosen)
    check_torch(f"the engine {chosen}")
    from .rasterizers import make_rasterizer
    from .tensors import FarEngine

    return FarEngine(make_rasterizer(chosen, templates, height, width, space=space, threads=threads), space)
