"""The pixels of stamps: what a fit needs of them stays in memory, the rest is read again from its file."""

from __future__ import annotations

import itertools
import math
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import numpy as np

from ..job import UserError
from ..native.arrays import ByteArray
from .native import LEVELS_PER_OCTAVE, bleed_colors, level_sizes, reduced


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


Value = TypeVar("Value", bound=_Sized)


class Recent(Generic[Value]):
    """Values that can be made again: the most recently used ones, as many as fit into some memory."""

    def __init__(self, most: int) -> None:
        """most: bytes."""
        self._most, self._total = most, 0
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()  # with their sizes as counted
        self._lock = threading.RLock()  # Python may finalize Pixels, which drop their values, at any time within

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Returns the value of a key, which is made where it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
        value = make()
        self.put(key, value)
        return value

    def put(self, key: Hashable, value: Value) -> None:
        """Keeps a value, which may also be an old one that has grown, and drops the least recently used ones."""
        with self._lock:
            size = value.nbytes
            self._drop(key)
            self._values[key] = value, size
            self._total += size
            while self._total > self._most:
                self._drop(next(iter(self._values), None))

    def drop(self, *keys: Hashable) -> None:
        """Drops the values of these keys."""
        with self._lock:
            for key in keys:
                self._drop(key)

    def _drop(self, key: Hashable) -> None:
        _, size = self._values.pop(key, (None, 0))
        self._total -= size


_PICTURES: Recent[ByteArray] = Recent(256 * 2**20)
_NUMBERS = itertools.count()


class Pixels:
    """A stamp's picture, straight, display-encoded RGBA, and the same reduced to what is needed."""

    def __init__(
        self,
        rgba: ByteArray,
        needed: float = math.inf,
        path: Path | None = None,
        read: tuple[int, int] | None = None,
    ) -> None:
        """Takes a picture [h, w, 4].

        needed: how many texels of the longer side can be seen; a larger picture is reduced by whole octaves. path,
        read: where and in which state it was read; its colors are dropped where memory is short.
        """
        self.height, self.width = rgba.shape[:2]
        self._path, self._read = path, read
        self._whole = np.ascontiguousarray(rgba) if path is None else None
        self._number = next(_NUMBERS)
        weakref.finalize(self, _PICTURES.drop, *((self._number, what) for what in _KINDS)).atexit = False
        octaves = math.floor(math.log2(max(max(rgba.shape[:2]) / needed, 1.0)))
        last = min(len(level_sizes(side)) for side in rgba.shape[:2]) - 1
        self.first = LEVELS_PER_OCTAVE * max(0, min(octaves, last // LEVELS_PER_OCTAVE))
        """The mip level of the reduced picture along both axes; 0 where nothing is reduced."""
        alpha = np.ascontiguousarray(rgba[..., 3])
        self.opacity = int(alpha.sum()) / 255.0
        """The sum of alpha over all pixels, each in [0, 1]."""
        self.alpha = reduced(rgba, self.first, planes=1) if self.first else alpha
        """Alpha of the reduced picture: uint8 [h, w]."""
        if path is not None:
            _PICTURES.get((self._number, "whole"), lambda: rgba)

    @classmethod
    def of_file(cls, path: Path, needed: float = math.inf) -> Pixels:
        """Reads a picture; see the constructor. Raises UserError where it cannot be read."""
        read = _state(path)
        return cls(_load(path), needed, path, read)

    @property
    def path(self) -> Path | None:
        """The file of the picture, as long as it is what was read; None where there is none."""
        return self._path if self._path is not None and self._read == _state(self._path) else None

    @property
    def whole(self) -> ByteArray:
        """The picture [h, w, 4]. Raises UserError where it must be read again, and its file has changed."""
        return self._whole if self._whole is not None else self._kept("whole", self._again)

    @property
    def whole_bled(self) -> ByteArray:
        """The picture [h, w, 4] with colors in transparent texels too. Raises UserError as `whole` does."""
        return self._kept("whole bled", lambda: bleed_colors(self.whole))

    @property
    def reduced_bled(self) -> ByteArray:
        """The same for the reduced picture."""
        if not self.first:
            return self.whole_bled
        return self._kept("reduced bled", lambda: bleed_colors(reduced(self.whole, self.first, planes=4)))

    def _kept(self, what: str, make: Callable[[], ByteArray]) -> ByteArray:
        return _PICTURES.get((self._number, what), make)

    def _again(self) -> ByteArray:
        if self.path is None:
            raise UserError(f"The stamp {self._path} has changed since it was read: start again")
        return _load(self.path)


def _load(path: Path) -> ByteArray:
    from ..pictures.images import load_rgba  # many stamps are not from files

    return load_rgba(path)


_KINDS = ("whole", "whole bled", "reduced bled")


def _state(path: Path | None) -> tuple[int, int] | None:
    """What changes when a file is written again; None where there is no file."""
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if status else None
