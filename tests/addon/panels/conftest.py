"""Gives the interface the scale of a window: in background mode it is 0."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from diffbmp.panels import layouts


@pytest.fixture(autouse=True)
def _interface(monkeypatch: pytest.MonkeyPatch) -> None:
    preferences = SimpleNamespace(system=SimpleNamespace(ui_scale=1.0))
    monkeypatch.setattr(layouts, "bpy", SimpleNamespace(context=SimpleNamespace(preferences=preferences)))
