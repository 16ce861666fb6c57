"""Primitives as separate layers: each is moved by whole pixels to a free place on a sheet, which the engine renders.

So a layer has exactly the pixels that the primitive has in the picture, whatever lies over it there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...engines import make_engine
from ...engines.interface import STRIP_SAMPLES, Placement
from ...layouts.rendering import scaled_arrays
from ...native.arrays import ByteArray, FloatArray, IntArray
from ...pictures.png import pixels_of
from ..base import Export

SHEET_PIXELS = 2**22
"""Most pixels of a sheet, unless a single layer is larger."""

REACH = 0.5
"""How far layers reach beyond the canvas, in sides of the canvas: the rest is cut off."""

MAX_REACH = 2048
"""How far layers reach beyond the canvas at most, px: a layer is then hardly larger than the picture."""


@dataclass(frozen=True)
class Item:
    """A layer to render: one primitive, or several that are merged, front first."""

    name: str
    primitives: tuple[int, ...]
    frame: int = 0  # by its number from 0


@dataclass(frozen=True)
class Layer:
    """A rendered layer without empty rows and columns at its sides; it has no size where nothing is visible."""

    item: Item
    left: int  # px, may lie beyond the canvas, as may `top`
    top: int
    pixels: ByteArray  # [h, w, 4] straight RGBA, display-encoded
    opacity: int  # 0 to 255; the pixels' alpha has the rest of the primitive's


class FrameSheets:
    """The primitives of one frame at the size of the export, in the order of the layout."""

    def __init__(self, task: Export, frame: int) -> None:
        self._task = task
        width, height = task.size
        order = task.layout.order(frame)
        params, placement = scaled_arrays(task.layout, task.templates, width, frame)
        back = order.argsort()
        self.params = params[back]  # [N, 9]
        self.placement = Placement(placement.template[back], placement.level[back], placement.mirror[back])
        # Numbers of a layout from anywhere may be none, or overflow.
        with np.errstate(all="ignore"):
            self.boxes = self._boxes(width, height)  # [N, 4] left, top, right, bottom, px

    def _boxes(self, width: int, height: int) -> IntArray:
        """Returns the box of each primitive within reach of the canvas; all zero where it has no part there."""
        x, y, scale, aspect, rotation = self.params[:, :5].astype(np.float64).T
        size = self._task.templates.size[self.placement.template].astype(np.float64)  # [N, 2] texels
        texels = np.maximum(np.rint(size * 2.0 ** (-self.placement.level / 2)), 1)  # of the level
        axes = np.stack([scale * np.sqrt(aspect), scale / np.sqrt(aspect)], 1)
        half = axes * size / size.max(1, keepdims=True)
        half = half * (1 + 2 / texels)  # bilinear samples reach half a texel farther
        cos, sin = np.abs(np.cos(rotation)), np.abs(np.sin(rotation))
        extent = np.stack([cos * half[:, 0] + sin * half[:, 1], sin * half[:, 0] + cos * half[:, 1]], 1)
        center = np.stack([x, y], 1)
        low, high = np.floor(center - extent) - 1, np.ceil(center + extent) + 1
        sides = np.array([width, height])
        reach = np.minimum(np.ceil(sides * REACH), MAX_REACH)
        self.cut = ((low < -reach) | (high > sides + reach)).any(1)  # [N] bool
        corners = [np.clip(corner, -reach, sides + reach) for corner in (low, high)]
        boxes: IntArray = np.nan_to_num(np.concatenate(corners, 1)).astype(np.int64)
        boxes[(boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])] = 0
        return boxes

    def box(self, item: Item) -> tuple[int, int, int, int]:
        """Returns the box of an item: left, top, right, bottom, px."""
        boxes = self.boxes[list(item.primitives)]
        boxes = boxes[boxes[:, 2] > boxes[:, 0]]
        if not len(boxes):
            return 0, 0, 0, 0
        left, top = boxes[:, :2].min(0).tolist()
        right, bottom = boxes[:, 2:].max(0).tolist()
        return left, top, right, bottom

    def render(self, items: Sequence[Item]) -> Iterator[Layer]:
        """Renders items of this frame as layers, in the same order."""
        begin, area = 0, 0
        for end, item in enumerate(items):
            left, top, right, bottom = self.box(item)
            added = (right - left) * (bottom - top)
            # What is cut off must not come to lie on a neighbor.
            alone = bool(self.cut[list(item.primitives)].any())
            if end > begin and (alone or area + added > SHEET_PIXELS):
                yield from self._sheet(items[begin:end])
                begin, area = end, 0
            area += added if not alone else SHEET_PIXELS
        if begin < len(items):
            yield from self._sheet(items[begin:])

    def _sheet(self, items: Sequence[Item]) -> Iterator[Layer]:
        boxes = np.array([self.box(item) for item in items])
        sizes = boxes[:, 2:] - boxes[:, :2]
        places, width, height = packed(sizes)
        rows = np.array([row for item in items for row in item.primitives], np.int64)
        lengths = np.array([len(item.primitives) for item in items])
        params = self.params[rows]
        # In float64, so that the place within the pixel stays the same.
        params[:, :2] = params[:, :2].astype(np.float64) + np.repeat(places - boxes[:, :2], lengths, 0)
        opacity = [self._opacity(item) for item in items]
        first = (lengths.cumsum() - lengths).tolist()
        for row, item, step in zip(first, items, opacity, strict=True):
            if len(item.primitives) == 1:
                # The rest of an opacity between two steps, so that layer and pixels together have it exactly.
                params[row, 5] = min(1.0, float(params[row, 5]) * 255.0 / step) if step else 1.0
        sheet = self._rendered(params, rows, width, height)
        for item, (left, top), (x, y), (w, h), alpha in zip(items, boxes[:, :2], places, sizes, opacity, strict=True):
            yield _trimmed(item, int(left), int(top), sheet[y : y + h, x : x + w], alpha, alone=len(items) == 1)

    def _opacity(self, item: Item) -> int:
        """Returns the opacity of the layer; 255 where the pixels have it: Krita would apply it twice to an effect."""
        if len(item.primitives) > 1 or has_overlay(self._task, item):
            return 255
        value = float(np.nan_to_num(self.params[item.primitives[0], 5]))
        return math.ceil(min(max(value, 0.0), 1.0) * 255.0 - 1e-4)

    def _rendered(self, params: FloatArray, rows: IntArray, width: int, height: int) -> ByteArray:
        """Renders primitives without a background: [height, width, 4] straight RGBA."""
        sheet: ByteArray = np.zeros((height, width, 4), np.uint8)
        settings = self._task.settings
        most = max(1, STRIP_SAMPLES // max(width, 1) // 4)
        placement = Placement(self.placement.template[rows], self.placement.level[rows], self.placement.mirror[rows])
        for top in range(0, height if width else 0, most):
            strip = sheet[top : top + most]
            engine = make_engine(
                settings.engine, self._task.templates, len(strip), width, space="display", threads=settings.threads
            )
            moved = params.copy()
            moved[:, 1] -= top
            nothing = np.broadcast_to(np.float32(0.0), (3, len(strip), width))
            image, alpha = engine.forward(moved, placement, nothing)
            strip[:] = pixels_of(np.concatenate([image / np.maximum(alpha, np.float32(1e-6)), alpha[None]]))
        return sheet


def has_overlay(task: Export, item: Item) -> bool:
    """Whether a layer also has its color as an effect: one tinted primitive, where the settings ask for it."""
    spec = task.layout.templates[task.layout.template[item.primitives[0]]]
    return task.settings.overlay and len(item.primitives) == 1 and (spec.mode == "tint" or spec.blend == 0)


def packed(sizes: IntArray) -> tuple[IntArray, int, int]:
    """Places rectangles on a sheet, side by side on shelves, the highest first.

    sizes: [N, 2] width, height. Returns left and top of each [N, 2], and the width and the height of the sheet.
    """
    area = int(sizes.prod(1).sum())
    width = max(int(np.ceil(np.sqrt(area))), int(sizes[:, 0].max(initial=0)))
    places = np.zeros_like(sizes)
    x = y = shelf = 0
    for index in np.argsort(-sizes[:, 1], kind="stable").tolist():
        w, h = sizes[index].tolist()
        if x + w > width:
            x, y, shelf = 0, y + shelf, 0
        places[index] = x, y
        x, shelf = x + w, max(shelf, h)
    return places, width, y + shelf


def _trimmed(item: Item, left: int, top: int, pixels: ByteArray, opacity: int, *, alone: bool) -> Layer:
    """Returns a layer without empty sides. alone: no other layer has pixels on this sheet, which needs no copy then."""
    seen = pixels[..., 3] > 0
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    if not len(rows):
        return Layer(item, 0, 0, np.zeros((0, 0, 4), np.uint8), opacity)
    inner = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Layer(item, left + int(columns[0]), top + int(rows[0]), inner if alone else inner.copy(), opacity)
