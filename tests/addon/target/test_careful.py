"""The artist's files, copies and cameras stay unchanged, and messages name what is missing."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.blender.versions import compositor_of, picture_socket
from diffbmp.operators.fit.collect import write_job
from diffbmp.operators.masks.still import source_pixels
from diffbmp.operators.target.pixels import importance_pixels, target_pixels
from diffbmp.operators.target.properties import lacks_target

from tests.addon.support.scenes import make_scene
from tests.addon.support.stages import add_camera, make_stage, rectangle


def scene_of(stage: bpy.types.Scene) -> bpy.types.Scene:
    """A scene whose target is another scene."""
    scene = make_scene()
    scene.diffbmp.target.source, scene.diffbmp.target.scene = "SCENE", stage
    return scene


def test_a_camera_bound_to_a_marker_does_not_take_the_place_of_the_chosen_one() -> None:
    stage = make_stage()
    scene = scene_of(stage)
    scene.diffbmp.target.camera = add_camera(stage, "right", x=0.5, scale=0.8)
    marker = stage.timeline_markers.new("cut", frame=1)
    marker.camera = stage.camera
    assert np.abs(target_pixels(scene)[..., :3].astype(int) - (0, 0, 255)).max() <= 1
    assert (marker.camera.name, stage.camera.name) == ("middle", "middle")


def test_nodes_that_write_files_do_not_write_them(tmp_path: Path) -> None:
    stage = make_stage()
    socket = picture_socket(stage)
    tree = socket.id_data
    layers, output = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeOutputFile")
    layers.scene = stage
    tree.links.new(layers.outputs["Image"], socket)
    folder = "directory" if hasattr(output, "directory") else "base_path"
    setattr(output, folder, str(tmp_path))
    if hasattr(output, "file_output_items"):
        output.file_output_items.new("RGBA", "Image")
    tree.links.new(layers.outputs["Image"], output.inputs[0])
    assert target_pixels(scene_of(stage)).any()
    assert not list(tmp_path.iterdir())
    assert not output.mute
    assert compositor_of(stage) == tree


def test_painted_and_seen_masks_match_the_cropped_target() -> None:
    stage = make_stage()
    scene = scene_of(stage)
    target = scene.diffbmp.target
    target.aspect, target.aspect_x, target.aspect_y, target.focus_x = "CUSTOM", 1.0, 1.0, 1.0
    shown = target_pixels(scene)
    height, width = shown.shape[:2]
    blue = stage.collection.objects["blue"]
    there = (shown[..., 2] > 128) & (shown[..., 0] < 64)
    colors = blue.data.color_attributes.new("Col", "BYTE_COLOR", "CORNER")
    for corner in colors.data:
        corner.color = (1, 1, 1, 1)
    blue.data.color_attributes.active_color = colors
    target.importance_source, target.importance_object = "VERTEX", blue
    colors_seen = importance_pixels(scene, width, height)
    assert colors_seen is not None
    painted = colors_seen[..., 3] > 128
    assert np.abs(painted.sum(1) - there.sum(1)).max() <= 1  # uncropped, it would lie 6 columns further
    bpy.ops.diffbmp.add_region()
    source = scene.diffbmp.regions.entries[0].area
    source.source, source.object, source.camera = "object", blue, stage.camera
    mask = source_pixels(source, scene, width, height, shown) > 128
    assert np.abs(mask.sum(1) - there.sum(1)).max() <= 1
    assert (mask & there).sum() >= 0.85 * there.sum()


def test_a_collection_with_the_camera_has_a_silhouette(tmp_path: Path) -> None:
    scene = make_scene()
    scene.camera = add_camera(scene, "own")
    group = bpy.data.collections.new("All")
    scene.collection.children.link(group)
    group.objects.link(scene.camera)
    group.objects.link(bpy.data.objects.new("lamp", bpy.data.lights.new("lamp", "POINT")))
    group.objects.link(rectangle("red", -1, 0, (1, 0, 0)))
    bpy.ops.diffbmp.add_region()
    area = scene.diffbmp.regions.entries[0].area
    area.source, area.collection = "collection", group
    assert not write_job(scene, tmp_path)


def test_deleted_objects_are_named(tmp_path: Path) -> None:
    stage = make_stage()
    scene = scene_of(stage)
    target = scene.diffbmp.target
    target.camera = add_camera(stage, "gone")
    stage.collection.objects.unlink(target.camera)
    assert lacks_target(scene) == "The camera gone was deleted: choose another"
    target.camera = None
    target.importance_source, target.importance_object = "VERTEX", rectangle("painted", -1, 0, (1, 0, 0))
    with pytest.raises(UserError, match="painted object painted was deleted"):
        importance_pixels(scene, 48, 24)


def test_a_stamp_whose_texture_is_missing_is_named(tmp_path: Path) -> None:
    scene = make_scene()
    cube = rectangle("cube", -1, 1, (1, 1, 1))
    tree = cube.data.materials[0].node_tree
    image = bpy.data.images.new("lost", 4, 4)
    image.source, image.filepath = "FILE", "/nowhere/lost.png"
    tree.nodes.new("ShaderNodeTexImage").image = image
    scene.diffbmp.stamps.collection.objects.link(cube)
    scene.collection.objects.link(cube)
    scene.diffbmp.stamps.take = "RENDER"
    with pytest.raises(UserError, match="uses the image lost, whose file is missing: find or pack it"):
        write_job(scene, tmp_path)


def test_copies_of_a_capture_are_kept() -> None:
    make_scene()
    stage = make_stage()
    bpy.context.window.scene = stage
    stage.render.filepath = ""
    bpy.ops.render.render()
    bpy.ops.diffbmp.capture_target(source="RENDER")
    first = stage.diffbmp.target.image
    copy = first.copy()
    copy.name, copy.use_fake_user = "My copy", True
    bpy.ops.diffbmp.capture_target(source="RENDER")
    assert bpy.data.images["My copy"] == copy
    assert stage.diffbmp.target.image.name == "Render"
