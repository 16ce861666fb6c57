"""What a scene's job needs of what Blender's own Python lacks."""

from __future__ import annotations

from typing import Any

import bpy
import pytest
from diffbmp.operators.fit.needs import features_of
from diffbmp.operators.fit.optimize import why_not_optimize
from diffbmp.operators.install import features
from diffbmp.operators.install.features import Feature
from diffbmp.operators.settings.likeness import MATCHES, PREFERENCES

from tests.addon.support.scenes import make_scene


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A scene that could be optimized, in a Blender with NumPy alone."""
    bpy.context.preferences.addons["diffbmp"].preferences.python = ""
    monkeypatch.setattr(features, "_has", lambda package: False)
    return make_scene()


def test_the_defaults_need_nothing(scene: Any) -> None:
    assert list(features_of(scene)) == []
    assert why_not_optimize(scene) == ""


@pytest.mark.parametrize("engine", ["auto", "cpu", "cuda", "reference"])
def test_engines(scene: Any, engine: str) -> None:
    scene.diffbmp.backend.engine = engine
    assert list(features_of(scene)) == {"cuda": [Feature.CUDA], "reference": [Feature.REFERENCE]}.get(engine, [])


@pytest.mark.parametrize("match", MATCHES)
def test_ways_to_match(scene: Any, match: str) -> None:
    scene.diffbmp.look.match = match
    assert list(features_of(scene)) == ([Feature.LOSSES] if match == "brightness" else [])


@pytest.mark.parametrize("name", PREFERENCES)
def test_preferences(scene: Any, name: str) -> None:
    setattr(scene.diffbmp.look, name, 0.5)
    assert list(features_of(scene)) == [Feature.LOSSES]
    scene.diffbmp.fit.recipe = "paper"  # which does not use them
    assert list(features_of(scene)) == [Feature.PAPER]


def test_a_look_of_a_region_counts_while_it_is_used(scene: Any) -> None:
    region = scene.diffbmp.regions.entries.add()
    region.look.structure = 0.5
    found = []
    for region.own_look, region.use in ((False, True), (True, False), (True, True)):
        found.append(list(features_of(scene)))
    assert found == [[], [], [Feature.LOSSES]]


def test_a_target_with_frames(scene: Any) -> None:
    scene.diffbmp.target.image.source = "MOVIE"
    assert list(features_of(scene)) == []
    scene.diffbmp.target.moving = True
    assert list(features_of(scene)) == [Feature.ANIMATION]
