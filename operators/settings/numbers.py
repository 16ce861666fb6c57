"""Numbers from properties, which keep only 32 bits."""

from __future__ import annotations


def number(value: float) -> float:
    """The number as it was set: Blender keeps single precision, which adds digits."""
    return round(value, 6)
