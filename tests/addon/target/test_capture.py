"""Capturing what Blender shows as the target."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from diffbmp.operators.blender.images import read_image
from diffbmp.operators.target.pixels import target_pixels

from tests.addon.support.scenes import make_scene
from tests.addon.support.stages import make_stage, settings_of


def test_the_last_render_becomes_the_target() -> None:
    make_scene()
    stage = make_stage()
    bpy.context.window.scene = stage
    stage.render.film_transparent = True
    stage.render.filepath = ""
    bpy.ops.render.render()
    before = settings_of(stage)
    assert bpy.ops.diffbmp.capture_target(source="RENDER") == {"FINISHED"}
    image = stage.diffbmp.target.image
    assert (image.name, tuple(image.size), bool(image.packed_file)) == ("Render", (200, 100), True)
    rgba = target_pixels(stage)
    colors = rgba[50, [75, 125]].astype(int)
    assert np.abs(colors - [[255, 0, 0, 255], [0, 0, 255, 255]]).max() <= 1  # the render filter's rounding
    assert rgba[50, 10, 3] == 0
    assert settings_of(stage) == before
    count = len(bpy.data.images)
    bpy.ops.diffbmp.capture_target(source="RENDER")
    assert len(bpy.data.images) == count
    assert stage.diffbmp.target.image.name == "Render"
    np.testing.assert_array_equal(read_image(stage.diffbmp.target.image), rgba)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("VIEWER", "The compositor shows nothing: add a Viewer node to it"),
        ("VIEWPORT", "The viewport can only be captured from its own sidebar"),
    ],
)
def test_a_missing_picture_is_named(source: str, message: str) -> None:
    scene = make_scene()
    count, image = len(bpy.data.images), scene.diffbmp.target.image
    with pytest.raises(RuntimeError, match=message):
        bpy.ops.diffbmp.capture_target(source=source)
    assert (len(bpy.data.images), scene.diffbmp.target.image) == (count, image)
