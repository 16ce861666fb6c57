"""Templates and their mip levels.

A mip level is a smaller copy of a template, each texel an area average, so that small primitives are smooth. There are
two levels per octave for each axis (u, v), since stretched stamps need unequal ones. Level (0, 0) is the template
itself. All levels are 8-bit straight RGBA: Blender, a PSD and the engines show the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from ctypes import c_float, c_int64
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..job import MAX_SIDE, Limits, TemplateSpec, UserError, check_range, plain
from ..native.arrays import BoolArray, ByteArray, FloatArray, IntArray
from ..native.calls import FLOATS, INTS, LONGS, function
from .native import LEVELS_PER_OCTAVE, bleed_colors, level_pictures, level_sizes
from .pixels import Pixels

__all__ = [
    "LEVELS_PER_OCTAVE",
    "BoolArray",
    "ByteArray",
    "FloatArray",
    "IntArray",
    "Pixels",
    "Template",
    "Templates",
    "bleed_colors",
    "level_sizes",
    "load_templates",
    "padded",
]


@dataclass(frozen=True)
class Template:
    """A stamp: its pixels, the use of its own colors (mode and blend, see backend.job), and its limits in a fit."""

    name: str
    pixels: ByteArray | Pixels  # [h, w, 4] straight, display-encoded
    mode: str = "tint"
    blend: float = 0.0
    limits: Limits = field(default_factory=Limits)

    @cached_property
    def source(self) -> Pixels:
        """The pixels, also reduced."""
        return self.pixels if isinstance(self.pixels, Pixels) else Pixels(self.pixels)

    @property
    def rgba(self) -> ByteArray:
        """The picture [h, w, 4]; it may be read again from its file. Raises UserError where that has changed."""
        return self.source.whole

    @property
    def height(self) -> int:
        """The height of the picture, texels."""
        return self.source.height

    @property
    def width(self) -> int:
        """The width of the picture, texels."""
        return self.source.width

    @property
    def textured(self) -> bool:
        """Whether the stamp shows its own colors."""
        return self.mode != "tint" and self.blend > 0.0


class Templates:
    """The stamps of a fit and their mip levels, made at their first use."""

    def __init__(self, items: list[Template]) -> None:
        if not items:
            raise UserError("There is no stamp: give at least one picture as a stamp")
        self.items = items
        sizes = np.array([[item.width, item.height] for item in items])
        for name, side in (("shortest", sizes.min()), ("longest", sizes.max())):
            check_range(f"The {name} side of the stamps", side, 1, MAX_SIDE)
        self.size: IntArray = sizes
        """[T, 2] texels: width, height."""
        self.longer_side: IntArray = sizes.max(1).astype(np.int64)
        """[T] texels."""
        # The last level of an axis has one texel.
        self.level_count: IntArray = np.array([[len(level_sizes(side)) for side in size] for size in sizes.tolist()])
        """[T, 2] along u and v."""
        self.facts: NDArray[np.int32] = np.column_stack([self.longer_side, self.level_count]).astype(np.int32)
        """[T, 3] both of these, as native code reads them."""
        opacity = np.array([item.source.opacity for item in items])
        self.coverage: FloatArray = (opacity / self.longer_side.astype(np.float64) ** 2).astype(np.float32)
        """[T] mean alpha over the local square."""
        self.derived: dict[Hashable, Any] = {}
        """What engines derive from levels, shared with later rasterizers."""

    def __len__(self) -> int:
        return len(self.items)

    def level_size(self, template: int, level_u: int, level_v: int) -> tuple[int, int]:
        """The size of a level in texels: width, height."""
        item = self.items[template]
        return int(level_sizes(item.width)[level_u]), int(level_sizes(item.height)[level_v])

    def density(self, template: int, level_u: int, level_v: int) -> tuple[float, float]:
        """Texels of a level per unit of the local square, along u and v."""
        item = self.items[template]
        level_width, level_height = self.level_size(template, level_u, level_v)
        longer = max(item.width, item.height)
        return level_width / item.width * longer / 2, level_height / item.height * longer / 2

    def choose_levels(
        self,
        template: IntArray,  # [N] index
        scale: FloatArray,  # [N] px
        aspect: FloatArray,  # [N]
        bias: float = 1.0,  # most texels per canvas pixel
    ) -> IntArray:
        """Chooses the finest level per axis with at most `bias` texels per canvas pixel: [N, 2] int64."""
        level = np.empty((len(template), 2), np.int64)
        sizes = np.ascontiguousarray(scale), np.ascontiguousarray(aspect)
        choose = function("diffbmp_choose_levels", INTS, FLOATS, FLOATS, c_int64, c_float, LONGS)
        choose(self.facts[template], *sizes, len(level), bias, level)
        return level

    def bitmap(self, template: int, level_u: int, level_v: int) -> ByteArray:
        """Returns a level: uint8 [h, w, 4], straight RGBA, colors bled into transparent texels."""
        item = self.items[template]
        source = item.source
        if source.first and min(level_u, level_v) >= source.first:
            texels, first = source.reduced_bled, source.first
        else:
            texels, first = source.whole_bled, 0
        return level_pictures(texels, first, item.height, item.width, np.array([[level_u, level_v]]), planes=4)[0]


def load_templates(specs: list[TemplateSpec], canvas: int = 0) -> Templates:
    """Reads the stamps, and fills in the name, width and height of each spec.

    canvas: the longer side of the pictures to come, px; stamps stay in memory as large as these show them. 0 = whole.
    Raises UserError for a file that is missing, unreadable, without pixels or fully transparent.
    """
    items = []
    for spec in specs:
        path = Path(spec.file)
        pixels = Pixels.of_file(path, _seen(spec.limits, canvas) if canvas else math.inf)
        if not pixels.opacity:
            raise UserError(f"The stamp {spec.file} is fully transparent: use one with visible pixels")
        spec.name = spec.name or plain(path.stem)
        spec.height, spec.width = pixels.height, pixels.width
        items.append(Template(spec.name, pixels, spec.mode, spec.blend, spec.limits))
    return Templates(items)


def _seen(limits: Limits, canvas: int) -> float:
    """How many texels of a stamp's longer side a canvas can show.

    A stamp covers at most the canvas twice. A smaller one is judged on a finer canvas too.
    """
    return min(2.0 * limits.size_range[1], 2.0) * math.sqrt(limits.stretch) * canvas


def padded(bitmap: ByteArray, texels: int) -> ByteArray:
    """Adds a border of `texels`: transparent, with the color of the edge."""
    border = ((texels, texels), (texels, texels), (0, 0))
    result = np.pad(bitmap, border, mode="edge")
    result[..., 3] = np.pad(bitmap[..., 3], border[:2])
    return result
