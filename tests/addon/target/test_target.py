"""Targets other than images, how they are cropped, and messages about missing ones."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import UserError
from diffbmp.backend.job.job import Job
from diffbmp.operators.blender.images import read_image
from diffbmp.operators.fit.collect import write_job
from diffbmp.operators.fit.optimize import why_not_optimize
from diffbmp.operators.target.pixels import importance_pixels, target_pixels
from diffbmp.operators.target.properties import lacks_target, target_name

from tests.addon.support.pictures import make_image
from tests.addon.support.scenes import make_scene, make_text
from tests.addon.support.stages import add_camera, make_stage, rectangle, settings_of


def test_a_scene_is_rendered_at_the_canvas_size() -> None:
    scene, stage = make_scene(), make_stage()
    before = settings_of(stage)
    target = scene.diffbmp.target
    target.source, target.scene, target.transparent = "SCENE", stage, True
    rgba = target_pixels(scene)
    assert rgba.shape == (24, 48, 4)
    assert rgba[12, 18].tolist() == [255, 0, 0, 255]
    assert rgba[12, 30].tolist() == [0, 0, 255, 255]
    assert rgba[12, 3, 3] == 0
    assert settings_of(stage) == before
    assert bpy.context.scene == scene
    assert target_name(scene) == "Stage"


def test_another_camera_is_taken_and_the_scenes_own_stays() -> None:
    scene, stage = make_scene(), make_stage()
    target = scene.diffbmp.target
    target.source, target.scene = "SCENE", stage
    target.camera = add_camera(stage, "right", x=0.5, scale=0.8)
    rgba = target_pixels(scene)
    assert np.abs(rgba[..., :3].astype(int) - (0, 0, 255)).max() <= 1  # the render filter's rounding
    assert stage.camera.name == "middle"


def test_settings_are_restored_where_the_render_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, stage = make_scene(), make_stage()
    before = settings_of(stage)
    scene.diffbmp.target.source, scene.diffbmp.target.scene = "SCENE", stage
    stage.render.engine = "CYCLES"
    monkeypatch.setattr(
        "diffbmp.operators.blender.frames.read_written", lambda path: (_ for _ in ()).throw(UserError("bad"))
    )
    with pytest.raises(UserError, match="bad"):
        target_pixels(scene)
    assert settings_of(stage) == before


def test_a_text_is_a_shape() -> None:
    scene = make_scene()
    text = make_text("F")
    scene.collection.objects.link(text)
    target = scene.diffbmp.target
    target.source, target.object = "OBJECT", text
    rgba = target_pixels(scene)
    assert rgba.shape[0] == 48
    left, right = rgba[:, : rgba.shape[1] // 2, 3], rgba[:, rgba.shape[1] // 2 :, 3]
    assert left.sum() > 1.5 * right.sum()
    assert rgba[4, :, 3].sum() > 2 * rgba[-5, :, 3].sum()
    assert target_name(scene) == text.name


@pytest.mark.parametrize(
    ("aspect", "focus", "rows", "columns"),
    [
        ((1, 1), (0.5, 0.5), slice(0, 20), slice(10, 30)),
        ((1, 1), (0.0, 0.5), slice(0, 20), slice(0, 20)),
        ((4, 1), (0.5, 1.0), slice(10, 20), slice(0, 40)),
        ((100, 0.01), (0.5, 0.0), slice(0, 1), slice(0, 40)),
    ],
)
def test_crops(aspect: tuple[float, float], focus: tuple[float, float], rows: slice, columns: slice) -> None:
    pixels = np.random.default_rng(1).integers(1, 256, (20, 40, 4)) / 255
    scene = make_scene()
    target = scene.diffbmp.target
    target.image, target.aspect = make_image("noise", pixels), "CUSTOM"
    target.aspect_x, target.aspect_y = aspect
    target.focus_x, target.focus_y = focus
    expected = np.rint(pixels * 255).astype(np.uint8)[rows, columns]
    np.testing.assert_array_equal(target_pixels(scene), expected)


def test_the_camera_frame_is_the_scenes() -> None:
    scene = make_scene()
    scene.render.resolution_x, scene.render.resolution_y, scene.render.pixel_aspect_x = 100, 200, 2.0
    scene.diffbmp.target.aspect = "FRAME"
    assert target_pixels(scene).shape == (32, 32, 4)


def test_importance_is_cropped_with_the_target() -> None:
    scene = make_scene()
    target = scene.diffbmp.target
    pixels = np.random.default_rng(1).integers(1, 256, (32, 48, 4)) / 255
    target.importance, target.aspect = make_image("importance", pixels), "CUSTOM"
    result = importance_pixels(scene, 32, 32)
    assert result is not None
    np.testing.assert_array_equal(result, np.rint(pixels * 255).astype(np.uint8)[:, 8:40])


def test_vertex_colors_are_importance(tmp_path: Path) -> None:
    scene = make_scene()
    item = rectangle("painted", -3, 3, (0, 0, 0))
    colors = item.data.color_attributes.new("weight", "FLOAT_COLOR", "POINT")
    for corner, value in enumerate((0, 1, 1, 0)):
        colors.data[corner].color = (value, value, value, 1)
    scene.collection.objects.link(item)
    target = scene.diffbmp.target
    target.importance_source, target.importance_object = "VERTEX", item
    write_job(scene, tmp_path)
    rgba = read_image(bpy.data.images.load(Job.load(tmp_path).importance))
    assert rgba.shape == (32, 48, 4)
    light = np.linspace(0.5 / 48, 47.5 / 48, 48)
    expected = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert np.abs(rgba[16, :, 0] - expected).max() <= 3  # sixteen samples a pixel lie at random
    target.importance_layer = "gone"
    with pytest.raises(UserError, match="The object painted has no color attribute gone: paint it"):
        importance_pixels(scene, 8, 8)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    scene = make_scene()
    target = scene.diffbmp.target
    target.source = "SCENE"
    assert why_not_optimize(scene) == "Choose a scene to render"
    target.scene = bpy.data.scenes.new("Bare")
    assert lacks_target(scene) == "Give the scene Bare a camera, or choose one"
    with pytest.raises(UserError, match=r"^There is no target: give the scene Bare a camera"):
        write_job(scene, tmp_path)
    target.source = "OBJECT"
    assert lacks_target(scene) == "Choose an object whose shape is the target"
    target.object = bpy.data.objects.new("axes", None)
    assert lacks_target(scene) == "Choose an object whose shape is the target"
    scene.collection.objects.link(target.object)
    with pytest.raises(UserError, match="axes shows nothing that could be rendered"):
        target_pixels(scene)


def test_the_target_is_saved_with_the_file_and_follows_new_names(tmp_path: Path) -> None:
    scene, stage = make_scene(), make_stage()
    target = scene.diffbmp.target
    target.source, target.scene, target.camera = "SCENE", stage, stage.camera
    target.aspect, target.focus_x, target.transparent = "FRAME", 0.25, True
    stage.name = "Renamed"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    target = bpy.context.scene.diffbmp.target
    assert (target.source, target.scene.name, target.camera.name) == ("SCENE", "Renamed", "middle")
    assert (target.aspect, target.focus_x, target.transparent) == ("FRAME", 0.25, True)
