"""Small files that claim or unpack to much: `python -m tests.backend.support.bombs` reads each in a process of its own.

It prints the peak of memory above the imports, the time relative to an ordinary picture, and the sentence of an error.
"""

from __future__ import annotations

import io
import multiprocessing
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import GifImagePlugin, Image

from backend.job import Clip, UserError
from backend.pictures.images import load_mask, load_rgba, load_target
from backend.pictures.movies import Footage, is_moving

STATUS = Path("/proc/self/status")
"""Where Linux tells how much memory this process has."""

SIDE, GIF_SIDE = 16_384, 16_383
_LIMIT = 300  # s

Peak = Callable[[], int]


def _memory(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Yields a function that gives the peak of this process's memory in bytes, above what it has now. Linux only."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    yield lambda: _memory("VmHWM") - before


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path: Path, side: int, bits: int, color: int, *chunks: bytes) -> None:
    """Writes a square PNG of one gray. bits: of a channel. color: PNG's type of colors, 0, 2, 4 or 6."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[color]
    row = b"\0" + b"\x80" * (side * channels * bits // 8)
    packer = zlib.compressobj(1)
    data = b"".join([packer.compress(row) for _ in range(side)] + [packer.flush()])
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, color, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def write_gif(path: Path, side: int, frames: int, hundredths: int = 4) -> None:
    """Writes a GIF whose frames are all alike."""
    image = Image.new("P", (side, side), 1)
    image.putpalette([0, 0, 0, 200, 120, 40])
    body = b"".join(GifImagePlugin.getdata(image, duration=10 * hundredths))
    head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes([0, 0, 0, 200, 120, 40])
    with open(path, "wb") as file:
        file.write(head)
        for _ in range(frames):
            file.write(body)
        file.write(b";")


def _jpeg(path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG")
    data = bytearray(file.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    path.write_bytes(data)


def _profile(path: Path) -> None:
    bomb = zlib.compress(bytes(2**28), 1)
    write_png(path, 64, 8, 2, chunk(b"iCCP", b"x\0\0" + bomb), chunk(b"iTXt", b"x\0\1\0\0\0" + bomb))


def _float_tiff(path: Path) -> None:
    Image.fromarray(np.full((SIDE, SIDE), 0.5, np.float32)).save(path, compression="tiff_adobe_deflate")


def _target(path: Path) -> Any:
    return load_target(path, 512)


def _mask(path: Path) -> Any:
    return load_mask(path, 384, 512)


def _clip(path: Path) -> None:
    if is_moving(path):
        with Footage(path, Clip(end=3), 512):
            pass


def _png(bits: int, color: int) -> Callable[[Path], None]:
    return lambda path: write_png(path, SIDE, bits, color)


BOMBS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], Any]]] = {
    "an ordinary target of 4,096 px": (".png", lambda path: write_png(path, 4096, 8, 2), _target),
    "8-bit gray target": (".png", _png(8, 0), _target),
    "16-bit gray target": (".png", _png(16, 0), _target),
    "8-bit RGB target": (".png", _png(8, 2), _target),
    "16-bit RGBA target": (".png", _png(16, 6), _target),
    "float TIFF target": (".tif", _float_tiff, _target),
    "16-bit gray mask": (".png", _png(16, 0), _mask),
    "8-bit RGBA stamp": (".png", _png(8, 6), load_rgba),
    "16-bit gray stamp": (".png", _png(16, 0), load_rgba),
    "profile and text of 268 MB": (".png", _profile, load_rgba),
    "JPEG that claims 65,500 px": (".jpg", _jpeg, _target),
    "GIF of 300 frames of 16,383 px, 1-3": (".gif", lambda path: write_gif(path, GIF_SIDE, 300), _clip),
    "GIF of 200,000 frames of 8 px, 1-3": (".gif", lambda path: write_gif(path, 8, 200_000), _clip),
}
"""The ending, the maker and the reader of each file."""


def _read(read: Callable[[Path], Any], path: Path, results: Any) -> None:
    sentence, begin = "", time.perf_counter()
    with peak_memory() as peak:
        try:
            read(path)
        except UserError as error:
            sentence = error.message.replace(str(path.parent), "")
    results.put((peak(), time.perf_counter() - begin, sentence))


def main() -> None:
    """Prints a line for each file whose name has one of the words of the command line."""
    ordinary = 0.0
    processes = multiprocessing.get_context("fork")
    for name, (ending, make, read) in BOMBS.items():
        if ordinary and sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"bomb{ending}"
            maker = processes.Process(target=make, args=(path,))
            maker.start()
            maker.join()
            results = processes.Queue()
            reader = processes.Process(target=_read, args=(read, path, results))
            reader.start()
            reader.join(_LIMIT)
            if reader.is_alive():
                reader.kill()
                sys.stdout.write(f"{name}: more than {_LIMIT} s\n")
                continue
            if results.empty():
                sys.stdout.write(f"{name}: no result, exit code {reader.exitcode}\n")
                continue
            memory, seconds, sentence = results.get()
            ordinary = ordinary or seconds
            size = path.stat().st_size / 1e6
            sys.stdout.write(f"{name}: {size:.1f} MB, {memory / 1e9:.2f} GB, {seconds / ordinary:.1f} x  {sentence}\n")


if __name__ == "__main__":
    main()
