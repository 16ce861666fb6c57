"""Pictures of the mip levels that a layout shows, for programs without mip levels such as Blender.

Many lie on each picture, a sheet, with the places of all beside it: see backend.job.level_places. A checkpoint adds a
sheet of the levels that are new, so that whoever reads an earlier one finds its levels as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..engines.levels import LevelTable
from ..job import SCHEMA, LevelKey, write_json
from ..pictures.images import save_png
from ..templates import ByteArray, Templates

_SIDE = 2048
"""About the greatest side of a sheet, px: one with a larger picture is larger."""

_CLEAR = 0x00FFFFFF
"""The four bytes of a pixel that is white and transparent."""


class LevelSheets:
    """The sheets in a layout's folder."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._written: set[LevelKey] = set()
        self._files: list[str] = []
        self._old: list[str] = []

    def forget(self) -> None:
        """Begins another folder, without a sheet."""
        self._written, self._files, self._old = set(), [], []

    def add(self, room: Path, used: set[LevelKey]) -> None:
        """Adds sheets of the levels that are not on one yet, to levels/ in a layout's folder."""
        keys = sorted(used - self._written)
        # As the engines draw them: most were made for these already.
        bitmaps = LevelTable.of_templates(self._templates).bitmaps(keys)
        for part in _parts(bitmaps):
            places = _arranged([bitmaps[index].shape[:2] for index in part])
            width, height = (places[:, 2:] + places[:, :2]).max(0).tolist()
            sheet = np.full((height, width), _CLEAR, "<u4").view(np.uint8).reshape(height, width, 4)
            for index, (x, y, width, height) in zip(part, places.tolist(), strict=True):
                sheet[y : y + height, x : x + width, -bitmaps[index].shape[2] :] = bitmaps[index]
            name = f"{len(self._files):03d}"
            save_png(room / f"{name}.png", sheet, parents=False)
            levels = [[*keys[index], *place] for index, place in zip(part, places.tolist(), strict=True)]
            # The sheet comes first: what is listed is there.
            write_json(room / f"{name}.json", {"schema": SCHEMA, "levels": levels}, parents=False)
            self._files.append(name)
            self._written |= {keys[index] for index in part}

    def renew(self, room: Path, used: set[LevelKey]) -> None:
        """Adds sheets of just these levels, unless only they are on the present ones: see drop_old."""
        if self._written != used:
            self._old, self._written = self._files.copy(), set()
            self.add(room, used)

    def drop_old(self, room: Path) -> None:
        """Removes the sheets that have been renewed."""
        for name in self._old:
            with suppress(OSError):  # it is being read
                (room / f"{name}.json").unlink()
                (room / f"{name}.png").unlink()
        self._old = []


def _parts(bitmaps: Sequence[ByteArray]) -> list[list[int]]:
    """Divides bitmaps, the highest first, among sheets by their area."""
    parts: list[list[int]] = []
    free = 0
    for index in sorted(range(len(bitmaps)), key=lambda index: -len(bitmaps[index])):
        area = bitmaps[index].shape[0] * bitmaps[index].shape[1]
        if free < area:
            parts.append([])
            free = max(_SIDE * _SIDE // 2, area)
        parts[-1].append(index)
        free -= area
    return parts


def _arranged(sizes: Sequence[tuple[int, ...]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Arranges pictures [K] of these heights and widths, the highest first, in rows: x, y, width, height [K, 4]."""
    side = max(max(width for _, width in sizes), int(sum(height * width for height, width in sizes) ** 0.5) + 1)
    places, x, y, below = [], 0, 0, 0
    for height, width in sizes:
        if x + width > side:
            x, y = 0, below
        places.append((x, y, width, height))
        x, below = x + width, max(below, y + height)
    return np.array(places, np.int64)
