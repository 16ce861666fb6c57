"""The user interface. Panels draw and never compute."""

from __future__ import annotations

from . import advanced, export, limits, live, look, optimize, preferences, regions, result, sidebar, stamps, target

_PARTS = (preferences, sidebar, live, target, stamps, regions, limits, look, optimize, advanced, result, export)


def register() -> None:
    for part in _PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
