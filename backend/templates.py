"""Templates and their mip levels.

A mip level is a smaller copy of a template, averaged over the area of each of its texels, so that a primitive drawn
small is smooth instead of point-sampled. Levels come two to an octave and per axis (u, v): stamps that stretch need
unequal ones. Level (0, 0) is the template itself. Every level is kept as 8-bit straight RGBA: the same numbers that
Blender, a PSD and the engines show.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .job import Limits, TemplateSpec, UserError

LEVELS_PER_OCTAVE = 2

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]


@dataclass(frozen=True)
class Template:
    """One stamp. mode and blend say how its own colors enter (see backend.job), limits what it may do in a fit."""

    name: str
    rgba: ByteArray  # [h, w, 4] straight, display-encoded
    mode: str = "tint"
    blend: float = 0.0
    limits: Limits = field(default_factory=Limits)

    @property
    def textured(self) -> bool:
        """Whether the stamp's own colors are seen at all."""
        return self.mode != "tint" and self.blend > 0.0


@dataclass(frozen=True)
class Shapes:
    """The numbers of all templates, on one device."""

    size: Tensor  # [T, 2] texels: width, height
    longer_side: Tensor  # [T] texels
    level_count: Tensor  # [T, 2] along u and v
    coverage: Tensor  # [T] mean alpha over the local square


class Templates:
    """The stamps of a fit and their mip levels, which are made when they are first asked for."""

    def __init__(self, items: list[Template]) -> None:
        if not items:
            raise UserError("There is no stamp: give at least one picture to make the target of")
        self.items = items
        sizes = np.array([[t.rgba.shape[1], t.rgba.shape[0]] for t in items])
        self.longer_side = torch.from_numpy(sizes.max(1))  # [T] texels
        # The last level of an axis has one texel.
        self.level_count = torch.from_numpy(1 + np.ceil(LEVELS_PER_OCTAVE * np.log2(sizes)).astype(np.int64))  # [T, 2]
        area = sizes.max(1).astype(np.float64) ** 2
        alpha = np.array([t.rgba[..., 3].sum(dtype=np.float64) / 255.0 for t in items])
        self.coverage = torch.from_numpy(alpha / area).float()  # [T] mean alpha over the local square
        shapes = Shapes(torch.from_numpy(sizes), self.longer_side, self.level_count, self.coverage)
        self._shapes = {torch.device("cpu"): shapes}
        self.derived: dict[Hashable, Any] = {}
        """Things that engines have made from levels, for the next rasterizer."""
        self._bled: dict[int, ByteArray] = {}
        self._planes: dict[tuple[int, int, int], FloatArray] = {}

    def __len__(self) -> int:
        return len(self.items)

    def shapes(self, device: torch.device) -> Shapes:
        """The numbers of all templates on this device; they stay there."""
        if device not in self._shapes:
            own = vars(self._shapes[torch.device("cpu")])
            self._shapes[device] = Shapes(**{name: tensor.to(device) for name, tensor in own.items()})
        return self._shapes[device]

    def level_size(self, template: int, level_u: int, level_v: int) -> tuple[int, int]:
        """The size of a level in texels: width, height."""
        height, width = self.items[template].rgba.shape[:2]
        return _shrunk(width, level_u), _shrunk(height, level_v)

    def density(self, template: int, level_u: int, level_v: int) -> tuple[float, float]:
        """Texels of a level per unit of the local square, along u and v."""
        height, width = self.items[template].rgba.shape[:2]
        level_width, level_height = self.level_size(template, level_u, level_v)
        longer = max(width, height)
        return level_width / width * longer / 2, level_height / height * longer / 2

    def choose_levels(
        self,
        template: Tensor,  # [N] index
        scale: Tensor,  # [N] px
        aspect: Tensor,  # [N]
        bias: float = 1.0,  # texels per canvas pixel, at most
    ) -> Tensor:
        """The finest level per axis with at most `bias` texels to a canvas pixel: [N, 2] int64, on their device."""
        shapes = self.shapes(template.device)
        root = aspect.sqrt()
        axes = torch.stack([scale * root, scale / root], 1).clamp_min(1e-6)
        texels = shapes.longer_side[template, None] / (2 * bias * axes)
        # The slack keeps a stamp of exactly `bias` texels a pixel on its level whatever the rounding.
        level = (LEVELS_PER_OCTAVE * texels.log2() - 1e-4).ceil().long().clamp_min(0)
        return torch.minimum(level, shapes.level_count[template] - 1)

    def bitmap(self, template: int, level_u: int, level_v: int) -> ByteArray:
        """One level: uint8 [h, w, 4], straight RGBA, colors bled into transparent texels."""
        if level_u == 0 and level_v == 0:
            return self._source(template)
        planes = self._level(template, level_u, level_v)
        weight = planes[..., 3:] + _BLEED_WEIGHT
        straight = np.concatenate([planes[..., :3] / weight, planes[..., 3:]], 2)
        return np.rint(straight * 255.0).clip(0, 255).astype(np.uint8)

    def _source(self, template: int) -> ByteArray:
        if template not in self._bled:
            self._bled[template] = bleed_colors(self.items[template].rgba)
        return self._bled[template]

    def _level(self, template: int, level_u: int, level_v: int) -> FloatArray:
        """A level [h, w, 4]: color times (alpha + a trace), alpha; an octave at a time, in any order."""
        key = (template, level_u, level_v)
        if key not in self._planes:
            parent_u, parent_v = max(level_u - LEVELS_PER_OCTAVE, 0), max(level_v - LEVELS_PER_OCTAVE, 0)
            if parent_u == 0 and parent_v == 0:
                source = self._source(template).astype(np.float32) / np.float32(255.0)
                parent = np.concatenate([source[..., :3] * (source[..., 3:] + _BLEED_WEIGHT), source[..., 3:]], 2)
            else:
                parent = self._level(template, parent_u, parent_v)
            width, height = self.level_size(template, level_u, level_v)
            self._planes[key] = area_resample(area_resample(parent, height, 0), width, 1)
        return self._planes[key]


_BLEED_WEIGHT = np.float32(1e-4)
"""Weight of a transparent texel's color: it shows nowhere but where all texels are transparent."""


def load_templates(specs: list[TemplateSpec]) -> Templates:
    """Reads the stamps; fills in each spec's name, width and height.

    Raises UserError for a file that is missing, unreadable, without pixels or fully transparent.
    """
    from .pictures.images import load_rgba

    items = []
    for spec in specs:
        rgba = load_rgba(Path(spec.file))
        if not rgba[..., 3].any():
            raise UserError(f"The stamp {spec.file} is fully transparent: give one with visible pixels")
        spec.name = spec.name or Path(spec.file).stem
        spec.height, spec.width = rgba.shape[:2]
        items.append(Template(spec.name, rgba, spec.mode, spec.blend, spec.limits))
    return Templates(items)


def padded(bitmap: ByteArray, texels: int) -> ByteArray:
    """The bitmap with a border of `texels`: transparent, in the color of the edge."""
    border = ((texels, texels), (texels, texels), (0, 0))
    result = np.pad(bitmap, border, mode="edge")
    result[..., 3] = np.pad(bitmap[..., 3], border[:2])
    return result


def bleed_colors(rgba: ByteArray) -> ByteArray:
    """Gives transparent texels the color of visible ones near them: uint8 [h, w, 4]; alpha and visible texels stay.

    Averages over growing areas (an image pyramid), then fills from the finest one that saw something.
    """
    alpha = rgba[..., 3:].astype(np.float32)
    if alpha.all() or not alpha.any():
        return rgba
    fill = _pull(rgba[..., :3] * alpha, alpha)
    result = rgba.copy()
    hidden = rgba[..., 3] == 0
    result[hidden, :3] = np.rint(fill[hidden]).clip(0, 255)
    return result


def _pull(premultiplied: FloatArray, weight: FloatArray) -> FloatArray:
    height, width = weight.shape[:2]
    if (weight > 0).all():
        return premultiplied / weight
    half_size = ((height + 1) // 2, (width + 1) // 2)
    coarse = [area_resample(area_resample(a, half_size[0], 0), half_size[1], 1) for a in (premultiplied, weight)]
    below = _pull(*coarse)[np.arange(height)[:, None] // 2, np.arange(width)[None] // 2]
    return np.where(weight > 0, premultiplied / np.maximum(weight, np.float32(1e-12)), below)


def area_resample(array: FloatArray, size: int, axis: int) -> FloatArray:
    """Shrinks an axis to `size` samples, each the exact mean over the area it covers."""
    old = array.shape[axis]
    if size == old:
        return array
    edges = np.arange(size + 1) * (old / size)
    first = np.floor(edges[:-1]).astype(np.int64)
    shape: list[Any] = [1] * array.ndim
    shape[axis] = size
    total = np.zeros([*array.shape[:axis], size, *array.shape[axis + 1 :]], np.float32)
    for tap in range(math.ceil(old / size) + 1):
        index = first + tap
        share = np.minimum(index + 1, edges[1:]) - np.maximum(index, edges[:-1])
        total += array.take(np.minimum(index, old - 1), axis) * share.clip(0).reshape(shape).astype(np.float32)
    return total * np.float32(size / old)


def _shrunk(size: int, level: int) -> int:
    return max(1, round(size * 2.0 ** (-level / LEVELS_PER_OCTAVE)))
