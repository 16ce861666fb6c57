"""PNG written row by row: Pillow holds the whole picture, and has no 16-bit color.

Format: W3C, Portable Network Graphics, third edition.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_LEVEL = 6
_COLOR_TYPES = {3: 2, 4: 6}  # RGB, RGBA
_PERCEPTUAL = b"\0"  # rendering intent of sRGB
_INCH = 0.0254  # m


class PngWriter:
    """A picture that is written from its top row to its bottom row; finish() ends it."""

    def __init__(
        self, file: IO[bytes], width: int, height: int, channels: int, bits: int = 8, resolution: float = 72.0
    ) -> None:
        """Writes the head. channels: 3 = RGB, 4 = straight RGBA. bits: 8, 16 a channel. resolution: pixels per inch."""
        self._file, self._channels, self._bits = file, channels, bits
        self._compressor = zlib.compressobj(_LEVEL)
        self._above: NDArray[np.uint8] = np.zeros(width * channels * bits // 8, np.uint8)
        file.write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, _COLOR_TYPES[channels], 0, 0, 0))
        self._chunk(b"sRGB", _PERCEPTUAL)
        per_meter = round(resolution / _INCH)
        self._chunk(b"pHYs", struct.pack(">IIB", per_meter, per_meter, 1))

    def write(self, picture: Tensor) -> None:  # [3 or 4, rows, width] in [0, 1], display-encoded
        """Adds rows to the picture."""
        most = 2**self._bits - 1
        values = (picture[: self._channels].permute(1, 2, 0) * most).round().numpy()
        rows = values.astype(">u2" if self._bits == 16 else np.uint8)
        data = rows.reshape(len(rows), -1).view(np.uint8)
        self._emit(self._compressor.compress(self._filtered(data)))

    def finish(self) -> None:
        self._emit(self._compressor.flush())
        self._chunk(b"IEND", b"")

    def _filtered(self, rows: NDArray[np.uint8]) -> bytes:
        """Filters each row: minus the pixel to the left or above, or unchanged, whichever has the least sum."""
        pixel = self._channels * self._bits // 8
        left = np.pad(rows, ((0, 0), (pixel, 0)))[:, : rows.shape[1]]
        above = np.concatenate([self._above[None], rows[:-1]])
        self._above = rows[-1].copy()
        candidates = [rows, rows - left, rows - above]
        sums = np.stack([np.abs(item.view(np.int8).astype(np.int16)).sum(1) for item in candidates])
        best = sums.argmin(0)
        result = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
        result[:, 0] = best
        for kind, item in enumerate(candidates):
            result[best == kind, 1:] = item[best == kind]
        return result.tobytes()

    def _emit(self, data: bytes) -> None:
        if data:
            self._chunk(b"IDAT", data)

    def _chunk(self, kind: bytes, data: bytes) -> None:
        self._file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
