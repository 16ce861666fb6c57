"""How much of a card's memory a fit takes: an estimate before it starts, from above."""

from __future__ import annotations

from dataclasses import dataclass

from ...templates import Template, Templates
from ..interface import STRIP_SAMPLES
from . import structs

_PLANES = 12
"""Planes of three floats: target, weight, noise, images and their copies, levels of error, what losses keep."""

_SAMPLE_BYTES = 48  # of a strip in which a result is measured
_PER_PRIMITIVE = 2048  # the variables, Adam's moments, bounds, copies of the best, what relocation sorts
_CELLS = 2**25  # the bins of many primitives on many tiles stop growing there
_COVERING = 1.3  # half sides of primitives, of what would cover the canvas once; early in a fit
_ROOM = 2.0  # of what is needed is reserved for pairs, at most
_SETS = 2  # of buffers for pairs: of the rasterizer, and of whole steps
_FIXED = 2**26  # kernels, PyTorch's granules


@dataclass(frozen=True)
class Stamps:
    """The numbers of the templates that the estimate needs."""

    size: int = 0  # bytes of all mip levels that may occur
    least: float = 0.0  # longer side that a primitive has at least / longer side of the canvas

    @classmethod
    def of(cls, templates: Templates) -> Stamps:
        least = [item.limits.size_range[0] for item in templates.items]
        return cls(sum(map(_levels_bytes, templates.items)), sum(least) / len(least))


def estimate(count: int, height: int, width: int, stamps: Stamps) -> int:
    """Bytes that a fit of `count` primitives on height x width px takes on a card, measuring its result included."""
    pixels = height * width
    pair_bytes = structs.ENTRY_BYTES + structs.TRANSMITTANCE_BYTES + structs.TILE_WARPS * structs.RECORD_BYTES
    pairs = _SETS * pair_capacity(count, height, width, stamps) * pair_bytes
    primitives = count * (_PER_PRIMITIVE + structs.PRIMITIVE_BYTES) + _SETS * _CELLS
    fit = pairs + pixels * _PLANES * 12 + primitives
    measuring = min(9 * pixels, max(STRIP_SAMPLES, 9 * width)) * _SAMPLE_BYTES
    return max(fit, measuring) + stamps.size + _FIXED


def pair_capacity(count: int, height: int, width: int, stamps: Stamps) -> int:
    """Pairs of primitives and tiles for which memory is reserved at most."""
    half = _COVERING * (height * width / max(count, 1)) ** 0.5
    half = max(half, 0.5 * stamps.least * max(height, width))
    return int(max(_ROOM * count * (2.0 * half / structs.TILE + 1.5) ** 2, 16 * count, 1024))


def largest(count: int, height: int, width: int, stamps: Stamps, free: int) -> tuple[int, int]:
    """The largest height and width of this shape that fit into `free` bytes; (0, 0) where none does."""
    low, high = 0, max(height, width)
    while low < high:
        middle = (low + high + 1) // 2
        fits = estimate(count, *_scaled(height, width, middle), stamps) <= free
        low, high = (middle, high) if fits else (low, middle - 1)
    return _scaled(height, width, low) if low else (0, 0)


def _levels_bytes(template: Template) -> int:
    height, width = template.rgba.shape[:2]
    # Two levels an octave: their areas add up to twice the first's, and to 11.7 times where axes differ freely.
    levels = 12 if template.limits.stretch > 1.0 else 2
    return levels * (height + 3) * (width + 3) * (16 if template.textured else 4)


def _scaled(height: int, width: int, longer: int) -> tuple[int, int]:
    factor = longer / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))
