"""Templates and their mip levels.

A mip level is a smaller copy of a template, each texel an area average, so that small primitives are smooth. There are
two levels per octave for each axis (u, v), since stretched stamps need unequal ones. Level (0, 0) is the template
itself. All levels are 8-bit straight RGBA: Blender, a PSD and the engines show the same numbers.
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

from .job import MAX_SIDE, Limits, TemplateSpec, UserError, check_range, plain

LEVELS_PER_OCTAVE = 2

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]


@dataclass(frozen=True)
class Template:
    """A stamp: its pixels, the use of its own colors (mode and blend, see backend.job), and its limits in a fit."""

    name: str
    rgba: ByteArray  # [h, w, 4] straight, display-encoded
    mode: str = "tint"
    blend: float = 0.0
    limits: Limits = field(default_factory=Limits)

    @property
    def textured(self) -> bool:
        """Whether the stamp shows its own colors."""
        return self.mode != "tint" and self.blend > 0.0


@dataclass(frozen=True)
class Shapes:
    """The sizes of all templates as tensors on one device."""

    size: Tensor  # [T, 2] texels: width, height
    longer_side: Tensor  # [T] texels
    level_count: Tensor  # [T, 2] along u and v
    coverage: Tensor  # [T] mean alpha over the local square


class Templates:
    """The stamps of a fit and their mip levels, made at their first use."""

    def __init__(self, items: list[Template]) -> None:
        if not items:
            raise UserError("There is no stamp: give at least one picture as a stamp")
        self.items = items
        sizes = np.array([[t.rgba.shape[1], t.rgba.shape[0]] for t in items])
        for name, side in (("shortest", sizes.min()), ("longest", sizes.max())):
            check_range(f"The {name} side of the stamps", side, 1, MAX_SIDE)
        self.longer_side = torch.from_numpy(sizes.max(1))  # [T] texels
        # The last level of an axis has one texel.
        self.level_count = torch.from_numpy(1 + np.ceil(LEVELS_PER_OCTAVE * np.log2(sizes)).astype(np.int64))  # [T, 2]
        area = sizes.max(1).astype(np.float64) ** 2
        alpha = np.array([t.rgba[..., 3].sum(dtype=np.float64) / 255.0 for t in items])
        self.coverage = torch.from_numpy(alpha / area).float()  # [T] mean alpha over the local square
        shapes = Shapes(torch.from_numpy(sizes), self.longer_side, self.level_count, self.coverage)
        self._shapes = {torch.device("cpu"): shapes}
        self.derived: dict[Hashable, Any] = {}
        """What engines derive from levels, shared with later rasterizers."""
        self._bled: dict[int, ByteArray] = {}
        self._planes: dict[tuple[int, int, int], FloatArray] = {}

    def __len__(self) -> int:
        return len(self.items)

    def shapes(self, device: torch.device) -> Shapes:
        """Returns the sizes of all templates on this device, and keeps them there."""
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
        bias: float = 1.0,  # most texels per canvas pixel
    ) -> Tensor:
        """Chooses the finest level per axis with at most `bias` texels per canvas pixel: [N, 2] int64, same device."""
        shapes = self.shapes(template.device)
        root = aspect.sqrt()
        axes = torch.stack([scale * root, scale / root], 1).clamp_min(1e-6)
        texels = shapes.longer_side[template, None] / (2 * bias * axes)
        # The slack keeps a stamp of exactly `bias` texels per pixel on its level despite rounding.
        level = (LEVELS_PER_OCTAVE * texels.log2() - 1e-4).ceil().nan_to_num(0.0).clamp_min(0)
        return torch.minimum(level, shapes.level_count[template] - 1).long()

    def bitmap(self, template: int, level_u: int, level_v: int) -> ByteArray:
        """Returns a level: uint8 [h, w, 4], straight RGBA, colors bled into transparent texels."""
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
        """A level [h, w, 4] of color * (alpha + _BLEED_WEIGHT) and alpha, made octave by octave."""
        key = (template, level_u, level_v)
        if key not in self._planes:
            parent_u, parent_v = max(level_u - LEVELS_PER_OCTAVE, 0), max(level_v - LEVELS_PER_OCTAVE, 0)
            if parent_u == 0 and parent_v == 0:
                parent = self._source(template).astype(np.float32)
                parent /= np.float32(255.0)
                parent[..., :3] *= parent[..., 3:] + _BLEED_WEIGHT
            else:
                parent = self._level(template, parent_u, parent_v)
            width, height = self.level_size(template, level_u, level_v)
            self._planes[key] = area_resample(area_resample(parent, height, 0), width, 1)
        return self._planes[key]


_BLEED_WEIGHT = np.float32(1e-4)
"""The weight of a transparent texel's color, visible only where all texels are transparent."""


def load_templates(specs: list[TemplateSpec]) -> Templates:
    """Reads the stamps, and fills in the name, width and height of each spec.

    Raises UserError for a file that is missing, unreadable, without pixels or fully transparent.
    """
    from .pictures.images import load_rgba

    items = []
    for spec in specs:
        rgba = load_rgba(Path(spec.file))
        if not rgba[..., 3].any():
            raise UserError(f"The stamp {spec.file} is fully transparent: use one with visible pixels")
        spec.name = spec.name or plain(Path(spec.file).stem)
        spec.height, spec.width = rgba.shape[:2]
        items.append(Template(spec.name, rgba, spec.mode, spec.blend, spec.limits))
    return Templates(items)


def padded(bitmap: ByteArray, texels: int) -> ByteArray:
    """Adds a border of `texels`: transparent, with the color of the edge."""
    border = ((texels, texels), (texels, texels), (0, 0))
    result = np.pad(bitmap, border, mode="edge")
    result[..., 3] = np.pad(bitmap[..., 3], border[:2])
    return result


def bleed_colors(rgba: ByteArray) -> ByteArray:
    """Gives transparent texels the color of visible ones nearby: uint8 [h, w, 4]. Alpha and visible texels stay.

    It averages over growing areas (an image pyramid), and fills from the smallest one with a visible texel.
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
    """Returns colors [h, w, 3], also where the weight [h, w, 1] is 0. It writes over `premultiplied` to save memory."""
    height, width = weight.shape[:2]
    if (weight > 0).all():
        return premultiplied / weight
    half_size = ((height + 1) // 2, (width + 1) // 2)
    coarse = [area_resample(area_resample(a, half_size[0], 0), half_size[1], 1) for a in (premultiplied, weight)]
    below = _pull(*coarse)[np.arange(height)[:, None] // 2, np.arange(width)[None] // 2]
    premultiplied /= np.maximum(weight, np.float32(1e-12))
    np.copyto(premultiplied, below, where=weight <= 0)
    return premultiplied


def area_resample(array: FloatArray, size: int, axis: int) -> FloatArray:
    """Shrinks an axis to `size` samples, each the exact mean over its area."""
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
