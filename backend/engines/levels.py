"""Mip levels as the compiled engines read them: one growing table of footprints for all rasterizers of some stamps."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from ctypes import Structure, c_float, c_int32, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..job import LevelKey
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

_TOGETHER = 2**21
"""About the number of texels of stamps whose levels share a piece of memory, which lives as long as one of them."""


@dataclass(frozen=True, eq=False)
class LevelTables:
    """The footprints of a level in the CPU's memory."""

    alpha: NDArray[np.uint32]  # [h + 3, w + 3]
    texture: NDArray[np.uint32] | None  # [h + 3, w + 3, 3]; None if only tinted
    numbers: tuple[float, ...]  # the fields of Level after the addresses

    @property
    def nbytes(self) -> int:
        return self.alpha.nbytes + (0 if self.texture is None else self.texture.nbytes)

    def bitmap(self) -> ByteArray:
        """Returns the texels of the level and a border of one: see LevelTable.bitmaps."""
        planes = [self.alpha[..., None]] if self.texture is None else [self.texture, self.alpha[..., None]]
        # The first byte of a footprint is the texel itself.
        return np.concatenate([plane[1:, 1:].astype(np.uint8) for plane in planes], 2)

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
        self._taken = [0] * len(templates)  # how many parts of each stamp are in the table

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
            if not missing:
                return
            plans: dict[_StampLevels, tuple[Template, BoolArray]] = {}
            for number in missing:
                item = self._items[number]
                if number not in self._stamps:
                    self._stamps[number] = _shared(item)
                plan = plans.setdefault(self._stamps[number], (item, wanted[number]))
                np.logical_or(plan[1], wanted[number], out=plan[1])
            work = _Work()
            for alike in _alike(plans):
                work.plan(alike, [plans[own][0] for own in alike], np.array([plans[own][1] for own in alike]))
            make_levels(work.stamps, work, threads)
            work.finish()
            self._take(missing)

    def tables(self, template: int, level_u: int, level_v: int) -> LevelTables:
        """Returns the footprints of a level, which is added where it is missing."""
        self.ensure(np.array([template]), np.array([level_u]), np.array([level_v]))
        return self._stamps[template].tables(level_u, level_v)

    def bitmaps(self, keys: Sequence[LevelKey]) -> list[ByteArray]:
        """Returns pictures of levels as they are drawn, with a transparent border of a texel, which has their colors.

        uint8 [h + 2, w + 2, 4], straight RGBA, or [h + 2, w + 2, 1] of alpha where a stamp is tinted. Levels that are
        missing are added.
        """
        self.ensure(*np.array(keys, np.int64).reshape(-1, 3).T)
        return [self._stamps[template].tables(*level).bitmap() for template, *level in keys]

    def _take(self, numbers: list[int]) -> None:
        """Appends the rows of stamps that are not in the table yet."""
        parts = [(number, part) for number in numbers for part in self._stamps[number].parts[self._taken[number] :]]
        for number in numbers:
            self._taken[number] = len(self._stamps[number].parts)
        rows = np.concatenate([part.rows for _, part in parts])
        keys = np.concatenate([part.keys for _, part in parts])
        end = self._count + len(rows)
        if end > len(self._rows):
            self._older.append(self._rows)
            self._rows = np.concatenate([self._rows, np.zeros(max(len(self._rows), end), _LEVEL)])
        self._rows[self._count : end] = rows
        owners = np.repeat([number for number, _ in parts], [len(part.rows) for _, part in parts])
        self.numbers[owners, keys[:, 0], keys[:, 1]] = np.arange(self._count, end)
        self._count = end


def level_tables(templates: Templates, template: int, level_u: int, level_v: int) -> LevelTables:
    """The tables of a level in the CPU's memory, made once for all engines."""
    return LevelTable.of_templates(templates).tables(template, level_u, level_v)


@dataclass(eq=False)
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


class _Kind(NamedTuple):
    """What stamps have in common whose levels are planned together."""

    width: int  # texels
    height: int
    first: int  # the level (first, first) is the one in memory
    textured: bool
    mode: str
    blend: float

    @classmethod
    def of(cls, item: Template) -> _Kind:
        """Returns the kind of a stamp."""
        return cls(item.width, item.height, item.source.first, item.textured, item.mode, item.blend)


class _StampLevels:
    """The levels of all stamps of the same content that were made so far."""

    def __init__(self, kind: _Kind, key: bytes) -> None:
        self.kind, self.key = kind, key
        self.parts: list[_Part] = []
        self._places: dict[tuple[int, int], tuple[_Part, int]] = {}
        self.made: BoolArray = np.zeros((len(level_sizes(kind.width)), len(level_sizes(kind.height))), bool)

    @property
    def nbytes(self) -> int:
        return sum(part.words.nbytes + part.rows.nbytes for part in self.parts)

    def keep(self, part: _Part) -> None:
        """Takes levels that are made now."""
        self.parts.append(part)
        for index, (u, v) in enumerate(part.keys.tolist()):
            self._places[u, v] = part, index
        self.made[part.keys[:, 0], part.keys[:, 1]] = True
        _SHARED.put(self.key, self)

    def tables(self, level_u: int, level_v: int) -> LevelTables:
        """Returns the footprints of a level that was made."""
        part, index = self._places[level_u, level_v]
        return part.tables(index)


def _alike(plans: Iterable[_StampLevels]) -> Iterator[list[_StampLevels]]:
    """Yields stamps of the same kind, as many as are made together."""
    kinds: dict[_Kind, list[_StampLevels]] = {}
    for levels in plans:
        kinds.setdefault(levels.kind, []).append(levels)
    for kind, alike in kinds.items():
        most = max(1, _TOGETHER // (kind.width * kind.height >> kind.first))
        yield from (alike[begin : begin + most] for begin in range(0, len(alike), most))


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

    def plan(self, alike: list[_StampLevels], items: list[Template], wanted: BoolArray) -> None:
        """Adds the levels of stamps of the same kind that are wanted [S, U, V] and missing.

        With them go all coarser levels of the same proportions, as little work, and the finer ones of a small stamp:
        each part begins anew, and has its overhead.
        """
        made = np.array([levels.made for levels in alike])
        wanted = wanted[:, : made.shape[1], : made.shape[2]]
        first = alike[0].kind.first
        u, apart = _grids(*made.shape[1:])
        small = items[0].source.alpha.size <= _SMALL
        finest = np.full((len(alike), sum(u.shape)), len(u))
        stamp, at_u, at_v = wanted.nonzero()
        np.minimum.at(finest, (stamp, apart[at_u, at_v]), first if small else at_u)
        chosen = (wanted | (u >= finest[:, apart])) & ~made
        finer = chosen.copy()
        finer[:, first:, first:] = False
        for some, level in ((chosen & ~finer, first), (finer, 0)):
            if some.any():
                self._add(alike, items, some, level)

    def _add(self, alike: list[_StampLevels], items: list[Template], chosen: BoolArray, first: int) -> None:
        """Adds levels [S, U, V] of stamps of the same kind, which are made from their level (first, first)."""
        kind, (owner, u, v) = alike[0].kind, chosen.nonzero()
        planes = 4 if kind.textured else 1
        keys = np.column_stack([u, v]).astype(np.int32)
        widths, heights = level_sizes(kind.width)[u], level_sizes(kind.height)[v]
        areas = (widths + np.int64(BORDER + 1)) * (heights + np.int64(BORDER + 1))
        ends = areas.cumsum() * planes
        # One piece for all, for which systems have large pages: primitives read from all over it.
        words = np.empty(int(ends[-1]), np.uint32)
        rows = np.zeros(len(keys), _LEVEL)
        rows["alpha"] = words.ctypes.data + 4 * (ends - planes * areas)
        rows["mode"], rows["blend"] = COLOR_MODES[kind.mode if kind.textured else "tint"], kind.blend
        if kind.textured:
            rows["texture"] = rows["alpha"] + 4 * areas.astype(np.uint64)
        bounds = np.searchsorted(owner, np.arange(len(alike) + 1)).tolist()
        for levels, item, begin, end in zip(alike, items, bounds, bounds[1:], strict=False):
            if begin == end:
                continue
            own, texels = slice(begin, end), _texels(item, first)
            stamp = stamp_of(texels, first, kind.height, kind.width, keys[own], planes=planes)
            stamp.levels = rows[own].ctypes.data
            self.stamps.append(stamp)
            self._texels.append(texels)
            space = slice(int(ends[begin] - planes * areas[begin]), int(ends[end - 1]))
            self._parts.append((levels, _Part(keys[own], rows[own], words[space])))

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
    kind = _Kind.of(item)
    # With the opacity of the whole picture: others may look the same once they are reduced.
    digest = hashlib.blake2b(repr((kind, item.source.opacity)).encode(), digest_size=20)
    digest.update(_texels(item, kind.first).data)
    key = digest.digest()
    return _SHARED.get(key, lambda: _StampLevels(kind, key))


_GROWING = threading.RLock()
_SHARED: Recent[_StampLevels] = Recent(256 * 2**20)
"""Levels of the latest jobs of this process too."""
