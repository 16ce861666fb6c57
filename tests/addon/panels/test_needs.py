"""What the sidebar says about what is not installed, before an optimization starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
from diffbmp.operators.fit import needs
from diffbmp.operators.install import features
from diffbmp.operators.scene.build import build_scene
from diffbmp.operators.scene.storage import SOURCE

from tests.addon.support.layout import shown
from tests.addon.support.layouts import random_layout, write_layout
from tests.addon.support.scenes import make_scene


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A scene that could be optimized, in a Blender with NumPy alone."""
    bpy.context.preferences.addons["diffbmp"].preferences.python = ""
    monkeypatch.setattr(features, "_has", lambda package: False)
    return make_scene()


def test_the_defaults_need_nothing(scene: Any) -> None:
    screen = shown(scene)
    assert screen.buttons("diffbmp.optimize")[0].reason == ""
    assert not screen.buttons("preferences.addon_show")


def test_the_panel_says_it_before_the_start_and_offers_install(scene: Any, tmp_path: Path) -> None:
    scene.diffbmp.fit.recipe = "paper"
    sentence = "The recipe Published needs PyTorch: press Install in the add-on's preferences"
    screen = shown(scene)
    assert sentence in screen.text
    assert [button.text for button in screen.buttons("preferences.addon_show")] == ["Install"]
    assert screen.buttons("diffbmp.optimize")[0].reason == sentence
    with pytest.raises(RuntimeError, match="The recipe Published needs PyTorch"):
        bpy.ops.diffbmp.optimize()

    write_layout(tmp_path / "layout", *random_layout(5))
    result = build_scene(tmp_path / "layout", "sunset", samples=1)
    result[SOURCE] = scene.name
    screen = shown(result)
    assert sentence in screen.text
    assert screen.buttons("preferences.addon_show")
    assert screen.buttons("diffbmp.continue_fit")[0].reason == sentence


def test_install_is_offered_for_a_card_that_is_not_used(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: Any = bpy.context.preferences.addons["diffbmp"].preferences
    found = []
    for has_card, engine, device in (
        (False, "auto", "auto"),
        (True, "auto", "auto"),
        (True, "cpu", "auto"),
        (True, "auto", "cpu"),
    ):
        monkeypatch.setattr(needs, "has_nvidia_driver", lambda has_card=has_card: has_card)
        scene.diffbmp.backend.engine, chosen.device = engine, device
        screen = shown(scene)
        assert ("CPU (Install for the GPU)" in screen.texts) == bool(screen.buttons("preferences.addon_show"))
        assert screen.buttons("diffbmp.optimize")[0].reason == ""
        found.append("CPU (Install for the GPU)" in screen.texts)
    assert found == [False, True, False, False]
