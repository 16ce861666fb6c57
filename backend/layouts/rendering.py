"""Pictures of layouts, with any engine."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..engines import LONGEST_SIDE, make_engine
from ..engines.interface import STRIP_SAMPLES, Engine, Placement
from ..job import MAX_SIDE, ExportSettings, Layout, UserError, check_range, check_value
from ..native.arrays import FloatArray
from ..pictures.color import decode, encode
from ..pictures.filters import shrunk
from ..templates import LEVELS_PER_OCTAVE, Templates


def layout_arrays(layout: Layout, frame: int = 0) -> tuple[FloatArray, Placement]:
    """Converts a frame of a layout to params [N, 9], display-encoded and front first, and its placement."""
    order = layout.order(frame)
    columns = (layout.x, layout.y, layout.scale, layout.aspect, layout.rotation, layout.opacity)
    params = np.column_stack([*(column[frame] for column in columns), layout.color[frame]])[order]
    placement = Placement(
        layout.template[order].astype(np.int64), layout.level[order].astype(np.int64), layout.mirror[order]
    )
    return params, placement


def render_layout(
    layout: Layout,
    templates: Templates,
    *,
    width: int | None = None,  # px of the picture; None = of the canvas
    supersample: int = 1,
    transparent: bool = False,
    frame: int = 0,
    engine: str = "auto",
    threads: int = 0,
) -> FloatArray:
    """Draws a frame of a layout: [4, H, W] straight RGBA, display-encoded.

    The alpha is 1 unless `transparent` leaves out the layout's background. A wider picture uses finer mip levels.
    supersample = n averages n x n samples per pixel in the compositing space, on the same levels (3 makes the picture
    `aa`).
    """
    width = width or layout.width
    result: FloatArray | None = None
    top = 0
    for strip in render_strips(
        layout,
        templates,
        width=width,
        supersample=supersample,
        transparent=transparent,
        frame=frame,
        engine=engine,
        threads=threads,
    ):
        if result is None:
            height = picture_height(layout, width)
            if strip.shape[1] == height:
                return strip
            result = np.empty((4, height, width), np.float32)
        result[:, top : top + strip.shape[1]] = strip
        top += strip.shape[1]
    assert result is not None
    return result


def render_strips(
    layout: Layout,
    templates: Templates,
    *,
    width: int | None = None,
    supersample: int = 1,
    transparent: bool = False,
    frame: int = 0,
    engine: str = "auto",
    threads: int = 0,
    samples: int = STRIP_SAMPLES,  # most samples per strip, but at least a row
) -> Iterator[FloatArray]:
    """Draws the picture of render_layout in strips [4, rows, W] from top to bottom, so that memory is limited."""
    width = width or layout.width
    params, placement = scaled_arrays(layout, templates, width, frame)
    height = picture_height(layout, width)
    check_range("height", height, 1, LONGEST_SIDE)
    check_value(ExportSettings, "supersample", supersample)
    linear = layout.space == "linear"
    params[:, :3] *= supersample
    behind = np.zeros(3, np.float32) if transparent else np.array(layout.background, np.float32)
    if linear:
        params[:, 6:9], behind = decode(params[:, 6:9]), decode(behind)
    side = LONGEST_SIDE // supersample
    most = min(side, height, max(1, samples // (width * supersample**2)))
    # Few sizes: of a strip, the last one and the last column; with the background as a plane.
    engines: dict[tuple[int, int], tuple[Engine, FloatArray]] = {}
    for top in range(0, height, most):
        parts = []
        for left in range(0, width, side):
            size = min(most, height - top) * supersample, min(side, width - left) * supersample
            if size not in engines:
                made = make_engine(engine, templates, *size, space=layout.space, threads=threads)
                engines[size] = made, np.ascontiguousarray(np.broadcast_to(behind[:, None, None], (3, *size)))
            drawing, plane = engines[size]
            moved = params - np.array([left, top, *[0] * 7], np.float32) * np.float32(supersample)
            image, alpha = drawing.forward(moved, placement, plane)
            parts.append(_finished(image, alpha, supersample, transparent, linear))
        yield parts[0] if len(parts) == 1 else np.concatenate(parts, 2)


def _finished(
    image: FloatArray,  # [3, H, W] as composited, premultiplied where transparent
    alpha: FloatArray,  # [H, W]
    supersample: int,
    transparent: bool,
    linear: bool,
) -> FloatArray:
    """The picture [4, H, W] as render_layout returns it."""
    image = shrunk(image, supersample)
    result = np.ones((4, *image.shape[1:]), np.float32)
    if transparent:
        result[3:] = shrunk(alpha[None], supersample)
        image = image / np.maximum(result[3], np.float32(1e-6))
    result[:3] = encode(image) if linear else image
    return result.clip(0, 1, out=result)


def picture_height(layout: Layout, width: int) -> int:
    """The height of a layout's picture with this width, px."""
    return max(1, round(layout.height * width / layout.width))


def scaled_arrays(layout: Layout, templates: Templates, width: int, frame: int = 0) -> tuple[FloatArray, Placement]:
    """The arrays of layout_arrays for a picture of another width, on finer or coarser mip levels.

    Raises UserError for a width that is not from 1 to MAX_SIDE, and for a stamp that `templates` lacks.
    """
    check_range("width", width, 1, MAX_SIDE)
    if layout.count and int(layout.template.max()) >= len(templates):
        raise UserError(f"The layout uses stamp {int(layout.template.max())}, but there are only {len(templates)}")
    factor = width / layout.width
    params, placement = layout_arrays(layout, frame)
    finer = round(LEVELS_PER_OCTAVE * math.log2(factor))
    with np.errstate(over="ignore"):  # what is infinite is not drawn
        params[:, :3] *= np.float32(factor)
    level = (placement.level - finer).clip(0, templates.level_count[placement.template] - 1)
    if finer < 0:
        # A stamp that is magnified on the canvas has no spare texels.
        needed = templates.choose_levels(placement.template, params[:, 2], params[:, 3])
        level = np.minimum(level, np.maximum(placement.level, needed))
    placement.level = level
    return params, placement
