"""The live scene: it shows checkpoints, and leaves nothing."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest
from diffbmp.backend.job.layout import Layout
from diffbmp.operators.fit import live_planes as live_module
from diffbmp.operators.fit.live_planes import LIVE_PLANES, STEP_SECONDS, LivePlanes, live_scene
from diffbmp.operators.result.rebuild import is_result
from diffbmp.operators.scene.instances import dense_object
from diffbmp.operators.scene.planes import transforms
from diffbmp.operators.scene.storage import LIVE
from numpy.typing import NDArray

from tests.addon.support.census import census
from tests.addon.support.layouts import random_layout, write_layout
from tests.addon.support.scenes import make_scene
from tests.addon.support.work import work_of


@pytest.fixture
def live() -> Iterator[LivePlanes]:
    yield LIVE_PLANES
    LIVE_PLANES.end()


def checkpoint(folder: Path, count: int = 60, seed: int = 1) -> Layout:
    """Writes a layout into the folder, like the next one of a run."""
    layout, bitmaps = random_layout(count, seed=seed)
    if not (folder / "layout.json").exists():
        write_layout(folder, layout, bitmaps)
    else:
        time.sleep(0.01)  # so that its time differs
        layout.save(folder)
    return layout


def followed(live: LivePlanes, source: bpy.types.Scene, folder: Path) -> list[int]:
    """Follows until the checkpoint is shown. Returns the number of function calls of each step."""
    calls: list[int] = []
    while not calls or live._steps is not None:
        calls.append(work_of(lambda: live.follow(source, folder)).calls)
    return calls


def shown(scene: bpy.types.Scene) -> NDArray[np.float64]:
    """Returns location and scale along u of a scene's instances, sorted."""
    item = dense_object(scene)
    graph = scene.view_layers[0].depsgraph
    graph.update()
    found = [i.matrix_world.copy() for i in graph.object_instances if i.is_instance and i.parent.original == item]
    return np.array(sorted([*matrix.translation, abs(matrix.to_scale()[1])] for matrix in found))


def expected(layout: Layout) -> NDArray[np.float64]:
    moves = transforms(layout)
    seen = layout.opacity[0] > 0
    return np.array(sorted(np.column_stack([moves.location[0], moves.scale[0, :, 1]])[seen].tolist()))


def test_the_live_scene_follows_the_checkpoints(live: LivePlanes, tmp_path: Path) -> None:
    source = make_scene()
    source.diffbmp.fit.live = True
    live.follow(source, tmp_path)  # there is none yet
    assert live_scene() is None
    first = checkpoint(tmp_path)
    followed(live, source, tmp_path)
    scene = live_scene()
    assert scene is not None
    assert (scene[LIVE], is_result(scene), bpy.context.window.scene) == (source, False, scene)
    assert np.allclose(shown(scene), expected(first), atol=1e-4)
    second = checkpoint(tmp_path, seed=2)
    followed(live, source, tmp_path)
    assert live_scene() == scene
    assert np.allclose(shown(scene), expected(second), atol=1e-4)
    third = checkpoint(tmp_path, count=40, seed=3)
    followed(live, source, tmp_path)
    assert np.allclose(shown(scene), expected(third), atol=1e-4)


def test_the_live_scene_leaves_nothing(live: LivePlanes, tmp_path: Path) -> None:
    source = make_scene()
    before = census()
    source.diffbmp.fit.live = True
    checkpoint(tmp_path)
    followed(live, source, tmp_path)
    assert census() != before
    source.diffbmp.fit.live = False
    live.follow(source, tmp_path)
    assert census() == before
    assert bpy.context.window.scene == source


def test_the_artists_objects_stay(live: LivePlanes, tmp_path: Path) -> None:
    source = make_scene()
    source.diffbmp.fit.live = True
    checkpoint(tmp_path)
    followed(live, source, tmp_path)
    own = bpy.data.objects.new("own", None)
    bpy.context.window.scene.collection.objects.link(own)
    live.end()
    assert bpy.data.objects["own"] == own


def test_the_live_scene_returns_after_undo(live: LivePlanes, tmp_path: Path) -> None:
    source = make_scene()
    source.diffbmp.fit.live = True
    uid = source.session_uid
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.ed.undo_push(message="something")
    checkpoint(tmp_path)
    followed(live, source, tmp_path)
    live.forget()
    bpy.ops.ed.undo()
    source = next(scene for scene in bpy.data.scenes if scene.session_uid == uid)
    layout = checkpoint(tmp_path, seed=5)
    followed(live, source, tmp_path)
    assert np.allclose(shown(live_scene()), expected(layout), atol=1e-4)
    live.end()
    assert live_scene() is None


def test_the_live_scene_can_be_removed_by_hand(live: LivePlanes, tmp_path: Path) -> None:
    source = make_scene()
    source.diffbmp.fit.live = True
    checkpoint(tmp_path)
    followed(live, source, tmp_path)
    bpy.context.window.scene = source
    assert bpy.ops.diffbmp.remove_live() == {"FINISHED"}
    assert not bpy.ops.diffbmp.remove_live.poll()
    checkpoint(tmp_path, seed=2)
    followed(live, source, tmp_path)
    assert live_scene() is not None
    item = dense_object(live_scene() or source)
    assert item is not None
    item.modifiers.clear()
    checkpoint(tmp_path, seed=3)
    followed(live, source, tmp_path)


def test_clips_and_large_layouts_are_not_shown_live(live: LivePlanes, tmp_path: Path) -> None:
    source = make_scene()
    source.diffbmp.fit.live = True
    layout = checkpoint(tmp_path)
    replace(layout.only([0, 0]), frames=[1, 2]).save(tmp_path)
    followed(live, source, tmp_path)
    assert live_scene() is None


def test_steps_do_not_grow_with_the_layout(live: LivePlanes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # With this clock each step uses all of its time.
    ticks = itertools.count()
    monkeypatch.setattr(live_module, "monotonic", lambda: 0.75 * STEP_SECONDS * next(ticks))
    source = make_scene()
    source.diffbmp.fit.live = True
    calls = {}
    for count in (20, 100, 1000):  # the first fills caches
        checkpoint(tmp_path, count)
        followed(live, source, tmp_path)
        checkpoint(tmp_path, count, seed=2)
        calls[count] = followed(live, source, tmp_path)
    assert len(calls[1000]) == len(calls[100]) >= 2
    assert max(calls[1000]) <= max(calls[100]) + 0.5 * 900  # stamps more
