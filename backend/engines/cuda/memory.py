"""How much of a card's memory a fit takes: an estimate before it starts, from above."""

from __future__ import annotations

from ...templates import Templates
from . import structs

_PLANES = 12
"""Of three floats a pixel: target, weight, noise, images and their copies, levels of error, what losses keep."""

_STRIP_PIXELS = 2**25
"""Fine pixels of a strip in which a result is measured, at most: see run.supersampled."""

_STRIP_BYTES = 48  # a fine pixel
_PER_PRIMITIVE = 2048  # the variables, Adam's moments, bounds, copies of the best, what relocation sorts
_CELLS = 2**25  # the bins of many primitives on many tiles stop growing there
_COVERING = 1.3  # half sides of primitives, of what would cover the canvas once; early in a fit
_ROOM = 2.0  # of what is needed is reserved for pairs, at most
_SETS = 2  # of buffers for pairs: of the rasterizer, and of whole steps
_FIXED = 2**26  # kernels, PyTorch's granules


def estimate(count: int, height: int, width: int, *, templates_bytes: int = 0) -> int:
    """Bytes that a fit of `count` primitives on height x width px takes on a card, measuring its result included."""
    pixels = height * width
    half = _COVERING * (pixels / max(count, 1)) ** 0.5
    pairs = count * (2.0 * half / structs.TILE + 1.5) ** 2
    pair_bytes = structs.ENTRY_BYTES + structs.TRANSMITTANCE_BYTES + structs.TILE_WARPS * structs.RECORD_BYTES
    capacity = max(_ROOM * pairs, 16 * count)
    primitives = count * (_PER_PRIMITIVE + structs.PRIMITIVE_BYTES) + _SETS * _CELLS
    fit = _SETS * capacity * pair_bytes + pixels * _PLANES * 12 + primitives
    measuring = min(9 * pixels, max(_STRIP_PIXELS, 9 * width)) * _STRIP_BYTES
    return int(max(fit, measuring) + templates_bytes + _FIXED)


def largest(count: int, height: int, width: int, free: int, *, templates_bytes: int = 0) -> tuple[int, int]:
    """The largest height and width of this shape that fit into `free` bytes; (0, 0) where none does."""
    low, high = 0, max(height, width)
    while low < high:
        middle = (low + high + 1) // 2
        fits = estimate(count, *_scaled(height, width, middle), templates_bytes=templates_bytes) <= free
        low, high = (middle, high) if fits else (low, middle - 1)
    return _scaled(height, width, low) if low else (0, 0)


def templates_bytes(templates: Templates) -> int:
    """Of all mip levels that may occur."""
    total = 0
    for item in templates.items:
        height, width = item.rgba.shape[:2]
        # Two levels an octave: their areas add up to twice the first's, and to 11.7 times where axes differ freely.
        levels = 12 if item.limits.stretch > 1.0 else 2
        total += levels * (height + 3) * (width + 3) * (16 if item.textured else 4)
    return total


def _scaled(height: int, width: int, longer: int) -> tuple[int, int]:
    factor = longer / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))
