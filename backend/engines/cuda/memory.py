"""An upper estimate of the memory that a fit takes on a card."""

from __future__ import annotations

from dataclasses import dataclass

from ...templates import Template, Templates
from ..interface import STRIP_SAMPLES
from . import structs

_PLANES = 12
"""Planes of three floats: target, weight, noise, images and their copies, levels of error, memory of losses."""

_SAMPLE_BYTES = 48  # in a strip, while measuring a result
_PER_PRIMITIVE = 2048  # the variables, Adam's moments, bounds, copies of the best, sorting in relocation
_CELLS = 2**25  # most bytes for the bins of many primitives on many tiles
_COVERING = 1.3  # half side of primitives early in a fit, relative to covering the canvas once
_ROOM = 2.0  # most reserved pairs per needed pair
_SETS = 2  # of buffers for pairs: the rasterizer's, and those of whole steps
_FIXED = 2**26  # kernels, and PyTorch's rounding up


@dataclass(frozen=True)
class Stamps:
    """The properties of the templates that the estimate needs."""

    size: int = 0  # bytes of all possible mip levels
    least: float = 0.0  # least longer side of a primitive / longer side of the canvas

    @classmethod
    def of(cls, templates: Templates) -> Stamps:
        least = [item.limits.size_range[0] for item in templates.items]
        return cls(sum(map(_levels_bytes, templates.items)), sum(least) / len(least))


def estimate(count: int, height: int, width: int, stamps: Stamps) -> int:
    """The bytes that a fit of `count` primitives on height x width px takes, with measuring its result."""
    pixels = height * width
    pair_bytes = structs.ENTRY_BYTES + structs.TRANSMITTANCE_BYTES + structs.TILE_WARPS * structs.RECORD_BYTES
    pairs = _SETS * pair_capacity(count, height, width, stamps) * pair_bytes
    primitives = count * (_PER_PRIMITIVE + structs.PRIMITIVE_BYTES) + _SETS * _CELLS
    fit = pairs + pixels * _PLANES * 12 + primitives
    measuring = min(9 * pixels, max(STRIP_SAMPLES, 9 * width)) * _SAMPLE_BYTES
    return max(fit, measuring) + stamps.size + _FIXED


def pair_capacity(count: int, height: int, width: int, stamps: Stamps) -> int:
    """The most pairs of primitives and tiles for which memory is reserved."""
    half = _COVERING * (height * width / max(count, 1)) ** 0.5
    half = max(half, 0.5 * stamps.least * max(height, width))
    return int(max(_ROOM * count * (2.0 * half / structs.TILE + 1.5) ** 2, 16 * count, 1024))


def largest(count: int, height: int, width: int, stamps: Stamps, free: int) -> tuple[int, int]:
    """The largest height and width of this shape that fit into `free` bytes; (0, 0) if none does."""
    low, high = 0, max(height, width)
    while low < high:
        middle = (low + high + 1) // 2
        fits = estimate(count, *_scaled(height, width, middle), stamps) <= free
        low, high = (middle, high) if fits else (low, middle - 1)
    return _scaled(height, width, low) if low else (0, 0)


def _levels_bytes(template: Template) -> int:
    height, width = template.height, template.width
    # Two levels per octave: the sum of areas is twice the first one's, or 11.7 times if axes differ freely.
    levels = 12 if template.limits.stretch > 1.0 else 2
    return levels * (height + 3) * (width + 3) * (16 if template.textured else 4)


def _scaled(height: int, width: int, longer: int) -> tuple[int, int]:
    factor = longer / max(height, width)
    return max(1, round(height * factor)), max(1, round(width * factor))
