"""PNG row by row: plain ones are read, and all are written, without another library.

Format: W3C, Portable Network Graphics, third edition.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from ctypes import c_int32, c_int64, c_void_p
from dataclasses import dataclass
from typing import IO, cast

import numpy as np

from ..native.arrays import ByteArray, FloatArray
from ..native.calls import BYTES, function

FAST = 1
"""The level of compression for pictures that are read soon: a tenth of the best level's time, a few more bytes."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # of gray, RGB, gray with alpha, RGBA
_COLOR_TYPES = {3: 2, 4: 6}
_PERCEPTUAL = b"\0"  # rendering intent of sRGB
_INCH = 0.0254  # m
_STRIP = 2**20
"""About how many pixels are read at once."""

_OTHERS = {b"tRNS", b"iCCP", b"eXIf", b"acTL", b"PLTE"}
"""Chunks that change what is shown: transparent colors, profiles, turns, frames."""

_PIECE = 2**18  # bytes of a file that are read at once


class Damaged(ValueError):
    """Raised for a PNG that breaks off, or whose bytes contradict each other."""


@dataclass(frozen=True)
class PlainPng:
    """A PNG of 8 bits a channel, not interlaced, in sRGB, upright."""

    file: IO[bytes]
    width: int  # px
    height: int
    channels: int  # 1 = gray, 2 = gray with alpha, 3 = RGB, 4 = RGBA
    start: int  # of the first chunk with pixels, in the file

    def strips(self) -> Iterator[ByteArray]:
        """Yields the rows as straight RGBA [rows, width, 4], from top to bottom. Raises Damaged."""
        size = self.width * self.channels
        unfilter = function("diffbmp_unfilter", BYTES, BYTES, BYTES, *[c_int64] * 3, result=c_int32)
        widen = function("diffbmp_rgba", BYTES, BYTES, c_int64, c_int32)
        above: ByteArray = np.zeros(size, np.uint8)
        most = max(1, _STRIP // self.width)
        data = _Data(self.file, self.start)
        for top in range(0, self.height, most):
            rows = min(most, self.height - top)
            plain: ByteArray = np.empty((rows, size), np.uint8)
            if not unfilter(data.take(rows * (1 + size)), above, plain, rows, size, self.channels):
                raise Damaged("a row has an unknown filter")
            above = plain[-1].copy()
            if self.channels < 4:
                rgba: ByteArray = np.empty((rows, self.width, 4), np.uint8)
                widen(plain, rgba, rows * self.width, self.channels)
                yield rgba
            else:
                yield plain.reshape(rows, self.width, 4)


def opened_plain(file: IO[bytes]) -> PlainPng | None:
    """Returns the PNG in a file that can be read here; None for everything else. It decodes nothing."""
    head = file.read(33)
    if len(head) < 33 or head[:8] != _SIGNATURE or head[8:16] != b"\0\0\0\rIHDR":
        return None
    width, height, bits, color, *rest = struct.unpack(">IIBBBBB", head[16:29])
    if bits != 8 or color not in _CHANNELS or any(rest) or zlib.crc32(head[12:29]) != _number(head[29:33]):
        return None
    start, at = 0, len(head)
    while True:
        file.seek(at)
        name = file.read(8)
        length, kind = _number(name[:4]), name[4:]
        if len(name) < 8 or kind == b"IEND":
            break
        # Programs hide profiles and turns in texts, too.
        if kind in _OTHERS or (kind in (b"tEXt", b"zTXt", b"iTXt") and file.read(3) in (b"Raw", b"XML")):
            return None
        if kind == b"IDAT" and not start:
            start = at
        at += length + 12
    return PlainPng(file, width, height, _CHANNELS[color], start) if start else None


class _Data:
    """The unpacked bytes of the chunks with pixels."""

    def __init__(self, file: IO[bytes], start: int) -> None:
        self._file, self._unpack = file, zlib.decompressobj()
        file.seek(start)
        self._left, self._sum = self._begin(), zlib.crc32(b"IDAT")

    def take(self, size: int) -> ByteArray:
        """Returns the next bytes: [size]. Raises Damaged where there are not as many."""
        result, filled = np.empty(size, np.uint8), 0
        while filled < size:
            packed = self._unpack.unconsumed_tail or self._piece()
            part = self._unpack.decompress(packed, size - filled)
            if len(part) == size:  # of a small picture
                return np.frombuffer(part, np.uint8)
            if not part and (self._unpack.eof or not packed):
                raise Damaged("it breaks off")
            result[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
            filled += len(part)
        return result

    def _begin(self) -> int:
        """Reads the head of the next chunk, and returns its length; -1 where there are no more pixels."""
        name = self._file.read(8)
        return _number(name[:4]) if name[4:] == b"IDAT" else -1

    def _piece(self) -> bytes:
        while self._left == 0:
            if _number(self._file.read(4)) != self._sum:
                raise Damaged("its bytes have another sum than it says")
            self._left, self._sum = self._begin(), zlib.crc32(b"IDAT")
        piece = self._file.read(min(self._left, _PIECE)) if self._left > 0 else b""
        self._left -= len(piece)
        self._sum = zlib.crc32(piece, self._sum)
        return piece


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


class PngWriter:
    """A picture that is written from its top row to its bottom row; finish() ends it."""

    def __init__(
        self,
        file: IO[bytes],
        width: int,
        height: int,
        channels: int,
        *,
        bits: int = 8,
        resolution: float = 0.0,
        level: int = 6,
    ) -> None:
        """Writes the head.

        channels: 3 = RGB, 4 = straight RGBA. bits: 8, 16 a channel. resolution: pixels per inch, 0 = not told.
        level: of compression, 1 = fast to 9 = small.
        """
        self._file, self._channels, self._bits = file, channels, bits
        self._compressor = zlib.compressobj(level)
        self._above: ByteArray = np.zeros(width * channels * bits // 8, np.uint8)
        file.write(_SIGNATURE)
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, _COLOR_TYPES[channels], 0, 0, 0))
        self._chunk(b"sRGB", _PERCEPTUAL)
        if resolution:
            per_meter = round(resolution / _INCH)
            self._chunk(b"pHYs", struct.pack(">IIB", per_meter, per_meter, 1))

    def write(self, picture: FloatArray) -> None:  # [3 or 4, rows, width] in [0, 1], display-encoded
        """Adds rows to the picture."""
        if self._bits == 8:
            self.write_pixels(pixels_of(picture[: self._channels]))
            return
        values = np.rint(picture[: self._channels].clip(0.0, 1.0).transpose(1, 2, 0) * np.float32(65535.0))
        self.write_pixels(values.astype(">u2").reshape(values.shape[0], -1).view(np.uint8))

    def write_pixels(self, rows: ByteArray) -> None:
        """Adds rows as they are stored: uint8 [rows, width, channels], or [rows, bytes]."""
        rows = np.ascontiguousarray(rows).reshape(len(rows), -1)
        filtered: ByteArray = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
        pixel = self._channels * self._bits // 8
        filter_rows = function("diffbmp_filter", BYTES, BYTES, BYTES, c_int64, c_int64, c_int64)
        filter_rows(rows, self._above, filtered, *rows.shape, pixel)
        self._above = rows[-1].copy()
        self._emit(self._compressor.compress(filtered.data))

    def finish(self) -> None:
        """Ends the file."""
        self._emit(self._compressor.flush())
        self._chunk(b"IEND", b"")

    def _emit(self, data: bytes) -> None:
        if data:
            self._chunk(b"IDAT", data)

    def _chunk(self, kind: bytes, data: bytes) -> None:
        self._file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


def write_png(file: IO[bytes], pixels: ByteArray | FloatArray, level: int = FAST) -> None:
    """Writes a picture: uint8 [h, w, 3 or 4], or planes [3 or 4, h, w] of float32 in [0, 1], display-encoded."""
    if pixels.dtype == np.uint8:
        height, width, channels = pixels.shape
    else:
        channels, height, width = pixels.shape
    writer = PngWriter(file, width, height, channels, level=level)
    most = max(1, _STRIP // width)
    for top in range(0, height, most):
        rows = slice(top, top + most)
        if pixels.dtype == np.uint8:
            writer.write_pixels(cast(ByteArray, pixels)[rows])
        else:
            writer.write(cast(FloatArray, pixels)[:, rows])
    writer.finish()


def png_bytes(pixels: ByteArray, level: int = FAST) -> bytes:
    """Returns the PNG of uint8 [h, w, 3 or 4]."""
    file = io.BytesIO()
    write_png(file, pixels, level)
    return file.getvalue()


def pixels_of(planes: FloatArray) -> ByteArray:
    """Returns planes [3 or 4, h, w] as uint8 [h, w, 3 or 4]: clamped to [0, 1], and rounded."""
    channels, height, width = planes.shape
    if planes.dtype != np.float32 or planes.strides[1:] != (4 * width, 4):
        planes = np.ascontiguousarray(planes, np.float32)
    result: ByteArray = np.empty((height, width, channels), np.uint8)
    convert = function("diffbmp_pixels", c_void_p, BYTES, c_int64, c_int64, c_int32)
    convert(planes.ctypes.data, result, height * width, planes.strides[0] // 4, channels)
    return result
