"""Mip levels in the memory of a device."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from ctypes import sizeof

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...native.arrays import IntArray
from ...templates import Templates
from ..levels import Level, level_tables
from ..tensors import Placement

Key = tuple[int, int, int]
"""A mip level: template, level_u, level_v."""


class DeviceLevels:
    """The levels of templates on a device. They stay as long as the templates."""

    def __init__(self, templates: Templates, device: torch.device) -> None:
        self._templates, self._device = templates, device
        shape = (len(templates), *templates.level_count.max(0).tolist())
        self._numbers = np.full(shape, -1, np.int32)
        self._on_device = torch.from_numpy(self._numbers).to(device, copy=True)
        self._nearest: Tensor | None = None  # [T, U, V] int32: the last result of reachable()
        self._levels: list[Level] = []
        self._tables: list[Tensor] = []
        self._older: list[Tensor] = []  # small arrays whose address may still be in use
        self._adding = threading.Lock()
        self.array = torch.empty(0, dtype=torch.uint8, device=device)
        """An array of struct Level, uint8; replaced by a longer one when levels are added."""

    @classmethod
    def of_templates(cls, templates: Templates, device: torch.device) -> DeviceLevels:
        """The levels of these templates on this device, shared by all rasterizers and threads."""
        key = ("device levels", device)
        if key not in templates.derived:
            templates.derived[key] = cls(templates, device)
        return templates.derived[key]

    @property
    def nbytes(self) -> int:
        """The memory on the device."""
        return self.array.nbytes + sum(table.nbytes for table in self._tables)

    def numbers(self, placement: Placement) -> Tensor:
        """The index into `array` of each primitive's level: [N] int32. Waits for the device."""
        index = (placement.template, placement.level[:, 0], placement.level[:, 1])
        found = self._on_device[index]
        if bool((found < 0).any()):
            keys = torch.stack(index, 1)[found < 0].unique(dim=0).tolist()
            self._add((template, u, v) for template, u, v in keys)
            found = self._on_device[index]
        return found

    def nearest(self, placement: Placement) -> Tensor:
        """The numbers without waiting after reachable(), with the nearest level for each one that it left out."""
        if self._nearest is None:
            return self.numbers(placement)
        return self._nearest[placement.template, placement.level[:, 0], placement.level[:, 1]]

    def reachable(self, difference: IntArray, finest: IntArray) -> Tensor:
        """Adds the levels that can occur. Returns the index into `array` of the nearest level: [T, U, V] int32.

        difference [T]: by how many levels the two axes of a template's primitives may differ.
        finest [T]: the finest level of an axis. An index beyond a template's last level means nothing.
        """
        table = self._numbers.copy()
        for template, (count_u, count_v) in enumerate(self._templates.level_count.tolist()):
            occurs = _occurring(count_u, count_v, int(difference[template]))
            first_u, first_v = (min(int(finest[template]), count - 1) for count in (count_u, count_v))
            occurs[:first_u], occurs[:, :first_v] = False, False
            own = self._numbers[template, :count_u, :count_v]
            self._add((template, u, v) for u, v in np.argwhere(occurs & (own < 0)).tolist())
            v = np.arange(count_v)
            apart = np.abs(v[:, None] - v) + np.where(occurs, 0, count_v)[:, None]  # [u, v, another v]
            nearest = np.take_along_axis(own, apart.argmin(2), 1)
            table[template, :count_u, :count_v] = nearest[np.arange(count_u).clip(first_u)]
        self._nearest = torch.from_numpy(table).to(self._device)
        return self._nearest

    def _add(self, keys: Iterable[Key]) -> None:
        """Uploads missing levels in one piece."""
        with self._adding:
            wanted = [key for key in keys if self._numbers[key] < 0]
            if wanted:
                self._upload(wanted)

    def _upload(self, wanted: list[Key]) -> None:
        made = [level_tables(self._templates, *key) for key in wanted]
        words = [table.ravel() for tables in made for table in (tables.alpha, tables.texture) if table is not None]
        together = torch.from_numpy(np.concatenate(words).view(np.int32)).to(self._device)
        self._tables.append(together)
        address = together.data_ptr()
        for key, tables in zip(wanted, made, strict=True):
            texture = None if tables.texture is None else address + tables.alpha.nbytes
            self._numbers[key] = len(self._levels)
            self._levels.append(tables.at(address, texture))
            address += tables.nbytes
        array = (Level * len(self._levels))(*self._levels)
        size = sizeof(array)
        self._older.append(self.array)
        self.array = torch.frombuffer(array, dtype=torch.uint8, count=size).to(self._device, copy=True)
        self._on_device = torch.from_numpy(self._numbers).to(self._device, copy=True)


def _occurring(count_u: int, count_v: int, difference: int) -> NDArray[np.bool_]:
    """The pairs of levels [U, V] that differ by at most `difference` before each is limited to its last level."""
    occurs = np.zeros((count_u, count_v), np.bool_)
    level = np.arange(max(count_u, count_v) + difference)
    for apart in range(-difference, difference + 1):
        occurs[level.clip(0, count_u - 1), (level + apart).clip(0, count_v - 1)] = True
        occurs[(level - apart).clip(0, count_u - 1), level.clip(0, count_v - 1)] = True
    return occurs
