"""Reads numbers from properties, which have single precision."""

from __future__ import annotations


def number(value: float) -> float:
    """Returns a property's number as it was set, without the digits that single precision adds."""
    return round(value, 6)
