"""Mip levels as the compiled engines read them: one growing table of footprints for all rasterizers of some stamps."""

from __future__ import annotations

import hashlib
import threading
from ctypes import Structure, c_float, c_int32, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..native.arrays import BoolArray, ByteArray, IntArray
from ..templates import Template, Templates, level_sizes
from ..templates.native import Stamp, make_levels, stamp_of
from ..templates.pixels import Recent

BORDER = 2
"""The border of a level, texels: kBorder of raster_math.h."""
COLOR_MODES = {"tint": 0, "mix": 1, "multiply": 2}

NumberArray = NDArray[np.int32]


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


_LEVEL: np.dtype[Any] = np.dtype(Level)  # NumPy's types take it for objects
_FIRST_ROWS = 256
_SMALL = 2**14
"""The number of texels of a stamp of which all levels of the same proportions are made at once."""


@dataclass(frozen=True)
class LevelTables:
    """The footprints of a level in the CPU's memory."""

    alpha: NDArray[np.uint32]  # [h + 3, w + 3]
    texture: NDArray[np.uint32] | None  # [h + 3, w + 3, 3]; None if only tinted
    numbers: tuple[float, ...]  # the fields of Level after the addresses

    @property
    def nbytes(self) -> int:
        return self.alpha.nbytes + (0 if self.texture is None else self.texture.nbytes)

    def at(self, alpha: int, texture: int | None) -> Level:
        """Returns the level with its footprints at these addresses."""
        return Level(alpha, texture, *self.numbers)


class LevelTable:
    """The levels of stamps that were asked for so far, for all rasterizers. It only grows."""

    def __init__(self, templates: Templates) -> None:
        self._items = templates.items  # templates have this table: both go at once, and not only with garbage
        self.numbers: NumberArray = np.full((len(templates), *templates.level_count.max(0)), -1, np.int32)
        """The index into the array of struct Level of (template, level_u, level_v); -1 = not asked for yet."""
        self._rows = np.zeros(_FIRST_ROWS, _LEVEL)
        self._older: list[NDArray[np.void]] = []  # calls may still read them
        self._count = 0
        self._stamps: dict[int, _StampLevels] = {}
        self._taken: dict[int, int] = {}  # how many parts of each stamp are in the table

    @classmethod
    def of_templates(cls, templates: Templates) -> LevelTable:
        """Returns the table of these templates."""
        with _GROWING:
            if "levels" not in templates.derived:
                templates.derived["levels"] = cls(templates)
        return templates.derived["levels"]

    @property
    def levels(self) -> int:
        """The address of the array of struct Level; an older one stays valid for the levels it had."""
        return self._rows.ctypes.data

    @property
    def nbytes(self) -> int:
        """The memory of the footprints."""
        return sum(levels.nbytes for levels in self._stamps.values())

    def of(self, template: IntArray, level: IntArray, threads: int = 1) -> NumberArray:
        """Returns the index of the level of each primitive: [N] int32, from template [N] and level [N, 2]."""
        found = self.numbers[template, level[:, 0], level[:, 1]]
        if (found < 0).any():
            self.ensure(template, level[:, 0], level[:, 1], threads)
            found = self.numbers[template, level[:, 0], level[:, 1]]
        return found

    def ensure(self, template: IntArray, level_u: IntArray, level_v: IntArray, threads: int = 1) -> None:
        """Adds the levels [K] that are missing."""
        with _GROWING:
            wanted = np.zeros(self.numbers.shape, bool)
            wanted[template, level_u, level_v] = True
            wanted &= self.numbers < 0
            missing = np.flatnonzero(wanted.any((1, 2))).tolist()
            plans: dict[_StampLevels, tuple[Template, BoolArray]] = {}
            for number in missing:
                item = self._items[number]
                if number not in self._stamps:
                    self._stamps[number] = _shared(item)
                plan = plans.setdefault(self._stamps[number], (item, wanted[number]))
                np.logical_or(plan[1], wanted[number], out=plan[1])
            work = _Work()
            for levels, (item, own) in plans.items():
                levels.plan(item, own, work)
            make_levels(work.stamps, work, threads)
            work.finish()
            for number in missing:
                self._take(number)

    def tables(self, template: int, level_u: int, level_v: int) -> LevelTables:
        """Returns the footprints of a level, which is added where it is missing."""
        self.ensure(np.array([template]), np.array([level_u]), np.array([level_v]))
        return self._stamps[template].tables(level_u, level_v)

    def _take(self, number: int) -> None:
        """Appends the rows of a stamp that are not in the table yet."""
        parts = self._stamps[number].parts
        for part in parts[self._taken.get(number, 0) :]:
            end = self._count + len(part.rows)
            if end > len(self._rows):
                self._older.append(self._rows)
                self._rows = np.concatenate([self._rows, np.zeros(max(len(self._rows), end), _LEVEL)])
            self._rows[self._count : end] = part.rows
            self.numbers[number, part.keys[:, 0], part.keys[:, 1]] = np.arange(self._count, end)
            self._count = end
        self._taken[number] = len(parts)


def level_tables(templates: Templates, template: int, level_u: int, level_v: int) -> LevelTables:
    """The tables of a level in the CPU's memory, made once for all engines."""
    return LevelTable.of_templates(templates).tables(template, level_u, level_v)


@dataclass
class _Part:
    """Some levels of a stamp, made together."""

    keys: NumberArray  # [K, 2] along u and v
    rows: NDArray[np.void]  # [K] Level
    words: NDArray[np.uint32]  # the footprints of all

    def tables(self, index: int) -> LevelTables:
        """Returns the footprints of one of the levels."""
        row = self.rows[index]
        height, width = int(row["height"]) + BORDER + 1, int(row["width"]) + BORDER + 1
        begin, area = (int(row["alpha"]) - self.words.ctypes.data) // 4, height * width
        alpha = self.words[begin : begin + area].reshape(height, width)
        texture = None
        if row["texture"]:
            texture = self.words[begin + area : begin + 4 * area].reshape(height, width, 3)
        return LevelTables(alpha, texture, tuple(row.tolist()[2:]))


class _StampLevels:
    """The levels of all stamps of the same content that were made so far."""

    def __init__(self, item: Template, key: bytes) -> None:
        self.key = key
        self.parts: list[_Part] = []
        self._made = np.zeros((len(level_sizes(item.width)), len(level_sizes(item.height))), bool)

    @property
    def nbytes(self) -> int:
        return sum(part.words.nbytes + part.rows.nbytes for part in self.parts)

    def plan(self, item: Template, wanted: BoolArray, work: _Work) -> None:
        """Plans the work to make the levels that are wanted [U, V] and missing."""
        first = item.source.first
        u, apart = _grids(*self._made.shape)
        whole = wanted[: len(u), : u.shape[1]]
        # With them go all coarser levels of the same proportions, as little work, and the finer ones of a small stamp:
        # each part begins anew, and has its overhead.
        finest = np.full(sum(u.shape), len(u))
        np.minimum.at(finest, apart[whole], u[whole] if item.source.alpha.size > _SMALL else first)
        whole = (whole | (u >= finest[apart])) & ~self._made
        finer = whole.copy()
        finer[first:, first:] = False
        for chosen, level in ((whole & ~finer, first), (finer, 0)):
            if chosen.any():
                work.add(self, item, chosen, level)

    def keep(self, part: _Part) -> None:
        """Takes levels that are made now."""
        self.parts.append(part)
        self._made[part.keys[:, 0], part.keys[:, 1]] = True
        _SHARED.put(self.key, self)

    def tables(self, level_u: int, level_v: int) -> LevelTables:
        """Returns the footprints of a level that was made."""
        hits = [(part, np.flatnonzero((part.keys == (level_u, level_v)).all(1))) for part in self.parts]
        return next(part.tables(int(index[0])) for part, index in hits if len(index))


@cache
def _grids(count_u: int, count_v: int) -> tuple[IntArray, IntArray]:
    """Returns the level along u of each pair of levels, and by how much it exceeds the one along v, from 0: [U, V]."""
    u, v = np.indices((count_u, count_v))
    return u, u - v + count_v - 1


class _Work:
    """Levels that are made together, and the memory for them."""

    def __init__(self) -> None:
        self.stamps: list[Stamp] = []
        self._parts: list[tuple[_StampLevels, _Part]] = []
        self._texels: list[ByteArray] = []

    def add(self, levels: _StampLevels, item: Template, chosen: BoolArray, first: int) -> None:
        """Adds levels [U, V] of a stamp, which are made from its level (first, first)."""
        keys = np.ascontiguousarray(np.argwhere(chosen), np.int32)
        texels = _texels(item, first)
        widths, heights = level_sizes(item.width)[keys[:, 0]], level_sizes(item.height)[keys[:, 1]]
        areas = (widths + np.int64(BORDER + 1)) * (heights + np.int64(BORDER + 1))
        ends = areas.cumsum() * (4 if item.textured else 1)
        words = np.empty(int(ends[-1]), np.uint32)
        rows = np.zeros(len(keys), _LEVEL)
        rows["alpha"] = words.ctypes.data
        rows["alpha"][1:] += 4 * ends[:-1].astype(np.uint64)
        rows["mode"], rows["blend"] = COLOR_MODES[item.mode if item.textured else "tint"], item.blend
        if item.textured:
            rows["texture"] = rows["alpha"] + 4 * areas.astype(np.uint64)
        stamp = stamp_of(texels, first, item.height, item.width, keys, planes=4 if item.textured else 1)
        stamp.levels = rows.ctypes.data
        self.stamps.append(stamp)
        self._texels.append(texels)
        self._parts.append((levels, _Part(keys, rows, words)))

    def finish(self) -> None:
        """Gives the levels to their stamps."""
        for levels, part in self._parts:
            levels.keep(part)


def _texels(item: Template, first: int) -> ByteArray:
    """Returns what levels are made from: the whole picture or the reduced one, its alpha where colors do not matter."""
    source = item.source
    if item.textured:
        return source.reduced_bled if first else source.whole_bled
    return source.alpha if first == source.first else source.whole


def _shared(item: Template) -> _StampLevels:
    """Returns the levels of all stamps with the content of this one."""
    first = item.source.first
    # With the opacity of the whole picture: others may look the same once they are reduced.
    told = (item.width, item.height, first, item.mode, item.blend, item.source.opacity)
    digest = hashlib.blake2b(repr(told).encode(), digest_size=20)
    digest.update(_texels(item, first).data)
    key = digest.digest()
    return _SHARED.get(key, lambda: _StampLevels(item, key))


_GROWING = threading.RLock()
_SHARED: Recent[_StampLevels] = Recent(256 * 2**20)
"""Levels of the latest jobs of this process too."""
