"""Layers as PNGs, compressed in several threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from ...native.arrays import ByteArray
from ...pictures.png import png_bytes
from .sheets import Layer

_COMPRESSION = 4
_AHEAD = 64
"""Most layers that wait for their compression."""

_AHEAD_PIXELS = 2**24
"""Most pixels of these layers, unless a single one has more."""


def png(pixels: ByteArray) -> bytes:
    """Encodes uint8 [h, w, 3 or 4] as a PNG; an empty picture as one transparent pixel."""
    if not pixels.size:
        pixels = np.zeros((1, 1, 4), np.uint8)
    return png_bytes(pixels, _COMPRESSION)


def compressed(layers: Iterator[Layer], threads: int) -> Iterator[tuple[Layer, bytes]]:
    """Yields the layers with their PNGs, in the same order. threads: 0 = one per core."""
    with ThreadPoolExecutor(threads or None) as pool:
        waiting: deque[tuple[Layer, Future[bytes]]] = deque()
        pixels = 0
        try:
            for layer in layers:
                waiting.append((layer, pool.submit(png, layer.pixels)))
                pixels += layer.pixels[..., 0].size
                while len(waiting) > _AHEAD or pixels > _AHEAD_PIXELS:
                    done, data = waiting.popleft()
                    pixels -= done.pixels[..., 0].size
                    yield done, data.result()
            while waiting:
                done, data = waiting.popleft()
                yield done, data.result()
        finally:
            pool.shutdown(cancel_futures=True)
