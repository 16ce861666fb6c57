"""Mip levels as the compiled engines read them: tables of footprints, and the struct Level."""

from __future__ import annotations

from ctypes import Structure, c_float, c_int32, c_void_p
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..templates import ByteArray, Templates, padded

BORDER = 2
"""The border of a level, texels: kBorder of raster_math.h."""
COLOR_MODES = {"tint": 0, "mix": 1, "multiply": 2}


class Level(Structure):
    """Mirror of struct Level of raster_math.h."""

    _fields_ = [
        ("alpha", c_void_p),
        ("texture", c_void_p),
        ("width", c_int32),
        ("height", c_int32),
        ("density_u", c_float),
        ("density_v", c_float),
        ("box_u", c_float),
        ("box_v", c_float),
        ("half_u", c_float),
        ("half_v", c_float),
        ("radius", c_float),
        ("mode", c_int32),
        ("blend", c_float),
    ]


@dataclass(frozen=True)
class LevelTables:
    """The footprints of a level. Each engine copies them to its own memory."""

    alpha: NDArray[np.uint32]  # [h + 3, w + 3]
    texture: NDArray[np.uint32] | None  # [h + 3, w + 3, 3]; None if only tinted
    numbers: tuple[float, ...]  # the fields of Level after the addresses

    @property
    def nbytes(self) -> int:
        return self.alpha.nbytes + (0 if self.texture is None else self.texture.nbytes)

    def at(self, alpha: int, texture: int | None) -> Level:
        """Returns the level with its footprints at these addresses."""
        return Level(alpha, texture, *self.numbers)


def level_tables(templates: Templates, template: int, level_u: int, level_v: int) -> LevelTables:
    """The tables of a level in the CPU's memory, made once for all engines: see Templates.derived."""
    key = ("tables", template, level_u, level_v)
    if key not in templates.derived:
        templates.derived[key] = _made(templates, template, level_u, level_v)
    return templates.derived[key]


def _made(templates: Templates, template: int, level_u: int, level_v: int) -> LevelTables:
    item = templates.items[template]
    bitmap = templates.bitmap(template, level_u, level_v)
    height, width = bitmap.shape[:2]
    density = templates.density(template, level_u, level_v)
    bordered = padded(bitmap, BORDER)
    texture = None
    if item.textured:
        texture = np.ascontiguousarray(np.stack([_footprints(bordered[..., c]) for c in range(3)], -1))
    mode = COLOR_MODES[item.mode if item.textured else "tint"]
    numbers = (width, height, *density, *_bounds(bitmap[..., 3], *density), mode, item.blend)
    return LevelTables(_footprints(bordered[..., 3]), texture, numbers)


def _footprints(channel: ByteArray) -> NDArray[np.uint32]:
    """Packs 2 x 2 neighboring texels into each word: [h, w] to [h - 1, w - 1], the lowest byte first."""
    wide = channel.astype(np.uint32)
    return np.ascontiguousarray(
        wide[:-1, :-1] | wide[:-1, 1:] << np.uint32(8) | wide[1:, :-1] << np.uint32(16) | wide[1:, 1:] << np.uint32(24)
    )


def _bounds(alpha: ByteArray, density_u: float, density_v: float) -> tuple[float, float, float, float, float]:
    """Center and half extents of the box of visible texels (texels), and their radius (local units)."""
    rows, columns = np.nonzero(alpha)
    if not len(rows):
        return 0.0, 0.0, -1.0, -1.0, 0.0
    center_u, center_v = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
    half_u, half_v = float(np.ptp(columns)) / 2, float(np.ptp(rows)) / 2
    radius = np.hypot((columns - center_u) / density_u, (rows - center_v) / density_v).max()
    height, width = alpha.shape
    return center_u - (width - 1) / 2, center_v - (height - 1) / 2, half_u, half_v, float(radius)
