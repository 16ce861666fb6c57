"""GIF written frame by frame, which Pillow cannot do, with one palette for all frames, so that nothing flickers.

Format: CompuServe, GIF89a; how often it plays: Netscape's application extension.
"""

from __future__ import annotations

import struct
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from ...native.arrays import ByteArray

COLORS = 255
"""Colors of the palette; the last of the 256 indices is for transparent pixels, and those that do not change."""

CLEAR = 255

MAX_GIF = 65535
"""Longest side of a GIF, px."""

_KEPT, _CLEARED = 1, 2  # how a frame is disposed of before the next one
_MOST_HUNDREDTHS = 65535
_CLUSTERING = 1  # k-means after the median cut, until fewer pixels than this change
_BAYER = 8
_SPREAD = 0.5
"""Strength of the dither pattern, in steps of the palette: more is visible, less leaves edges in soft gradients."""
_MOST_SPREAD = 8.0
"""Greatest strength of the pattern, in levels: flat colors that lie far apart need none."""
_BITS = 7  # of a channel, by which the nearest color is looked up
_AT_ONCE = 2**16  # cells
_BAND = 32 * _BAYER  # rows of a picture that are processed at once, so that memory is bounded

IntArray = NDArray[np.int32]


class Palette:
    """A palette of up to 255 colors, which maps pictures to their nearest colors."""

    def __init__(self, samples: ByteArray) -> None:
        """Chooses the colors. samples: [N, 3], pixels of the pictures to map, at least one."""
        image = Image.fromarray(samples[None]).quantize(COLORS, Image.Quantize.MEDIANCUT, kmeans=_CLUSTERING)
        chosen = np.array(image.getpalette(), np.uint8).reshape(-1, 3)[: int(np.asarray(image).max()) + 1]
        self.colors: ByteArray = np.zeros((COLORS + 1, 3), np.uint8)
        self.colors[: len(chosen)] = chosen
        self._chosen = chosen.astype(np.float32)
        self._spread = min(_SPREAD * _typical_distance(self._chosen), _MOST_SPREAD)
        # Pillow's own search is fast, but misses the nearest color in most pixels.
        self._nearest: ByteArray = np.full(1 << 3 * _BITS, CLEAR, np.uint8)

    def indices(self, picture: ByteArray) -> ByteArray:
        """Returns the nearest colors of a picture [h, w, 3], dithered: indices [h, w] below COLORS."""
        result: ByteArray = np.empty(picture.shape[:2], np.uint8)
        for top in range(0, len(picture), _BAND):
            result[top : top + _BAND] = self._band(picture[top : top + _BAND])
        return result

    def _band(self, picture: ByteArray) -> ByteArray:
        """Returns the indices of some rows; the pattern begins at the first one."""
        height, width = picture.shape[:2]
        pattern = np.tile(_pattern(), (-(-height // _BAYER), -(-width // _BAYER)))[:height, :width, None]
        shifted = np.rint(picture + pattern * np.float32(self._spread)).clip(0, 255).astype(np.int32)
        red, green, blue = np.moveaxis(shifted >> (8 - _BITS), 2, 0)
        cells = (red << 2 * _BITS) + (green << _BITS) + blue
        result: ByteArray = self._nearest[cells]
        new = np.unique(cells[result == CLEAR])
        for start in range(0, len(new), _AT_ONCE):
            self._look_up(new[start : start + _AT_ONCE])
        return self._nearest[cells] if len(new) else result

    def _look_up(self, cells: IntArray) -> None:
        """Finds the nearest colors of cells [K]."""
        most = (1 << _BITS) - 1
        channels = np.stack([cells >> 2 * _BITS, cells >> _BITS & most, cells & most], 1)
        size = 1 << (8 - _BITS)
        middle = (channels * size + (size - 1) / 2).astype(np.float32)
        squares = np.square(self._chosen).sum(1) - 2 * middle @ self._chosen.T
        self._nearest[cells] = squares.argmin(1)


class GifWriter:
    """An animated picture, written from its first frame to its last; finish() ends it."""

    def __init__(self, file: IO[bytes], width: int, height: int, palette: ByteArray, *, loops: int = 0) -> None:
        """Writes the head of the file. palette: [256, 3]. loops: how often it plays; 0 = forever."""
        self._file = file
        self._before: ByteArray | None = None
        global_table = 0b1111_0111  # of 256 colors, 8 bits each
        file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, global_table, CLEAR, 0) + palette.tobytes())
        if loops != 1:
            repeats = loops - 1 if loops else 0
            file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", repeats, 0))

    def add(self, indices: ByteArray, hundredths: int, *, transparent: bool = False) -> None:
        """Adds a frame: indices [h, w] or CLEAR, shown for this many hundredths of a second.

        transparent: the frame may have transparent pixels, and is written whole. Other frames are written as what has
        changed since the one before. All frames of a file must be of one kind.
        """
        shown = indices
        if not transparent:
            if self._before is not None:
                shown = np.where(indices == self._before, np.uint8(CLEAR), indices)
            self._before = indices
        rows, columns = np.nonzero((shown != CLEAR).any(1))[0], np.nonzero((shown != CLEAR).any(0))[0]
        top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
        left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
        blocks = GifImagePlugin.getdata(
            Image.fromarray(np.ascontiguousarray(shown[top:bottom, left:right])),
            (left, top),
            duration=10 * min(hundredths, _MOST_HUNDREDTHS),
            transparency=CLEAR,
            disposal=_CLEARED if transparent else _KEPT,
        )
        for block in blocks:
            self._file.write(block)

    def finish(self) -> None:
        self._file.write(b";")


def _pattern() -> NDArray[np.float32]:
    """Returns Bayer's matrix, [8, 8] in [-0.5, 0.5): the same in every frame, so that still parts do not flicker."""
    matrix = np.zeros((1, 1))
    while len(matrix) < _BAYER:
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return ((matrix + 0.5) / _BAYER**2 - 0.5).astype(np.float32)


def _typical_distance(colors: NDArray[np.float32]) -> float:
    """Returns the median distance from a palette's color [N, 3] to the nearest other, in levels of one channel."""
    if len(colors) < 2:
        return 0.0
    squares = np.square(colors[:, None] - colors[None]).mean(2)
    np.fill_diagonal(squares, np.inf)
    return float(np.sqrt(np.median(squares.min(1))))
