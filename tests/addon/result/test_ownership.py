"""The artist's objects among a result's planes, and changes to these, survive Rebuild, Continue and Remove."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.fit.continue_fit import _kept_meshes
from diffbmp.operators.result.ownership import planes_of
from diffbmp.operators.result.readback import read_layout, read_scene
from diffbmp.operators.result.rebuild import meshes_of, rebuild, remove_result, source_of, stamps_of
from diffbmp.operators.result.replace_stamp import replace_stamp
from diffbmp.operators.scene.build import Form, build_scene
from diffbmp.operators.scene.instances import dense_object
from diffbmp.operators.scene.storage import SOURCE, stored_layout

from tests.addon.result.test_rebuild import same
from tests.addon.support.census import census
from tests.addon.support.clip_layouts import clip_layout
from tests.addon.support.layouts import write_layout
from tests.addon.support.results import built, layout_of

PLANES, DENSE = Form("PLANES"), Form("DENSE")


def own_object(name: str, collection: bpy.types.Collection) -> bpy.types.Object:
    item = bpy.data.objects.new(name, bpy.data.meshes.new(name))
    collection.objects.link(item)
    return item


def home(scene: bpy.types.Scene) -> bpy.types.Collection:
    return scene.collection.children[0]


@pytest.mark.parametrize("form", [PLANES, DENSE])
def test_own_objects_and_collections_among_the_planes_stay(tmp_path: Path, form: Form) -> None:
    scene = built(tmp_path, form=form)
    light = bpy.data.objects.new("light", bpy.data.lights.new("light", "POINT"))
    home(scene).objects.link(light)
    group = bpy.data.collections.new("group")
    home(scene).children.link(group)
    own_object("inside", group)
    rebuild(scene, form)
    assert {"light", "inside"} <= {item.name for item in scene.collection.all_objects}
    assert same(read_layout(scene), layout_of(scene))
    with pytest.raises(UserError, match="also has the object"):
        remove_result(scene)


def test_datablocks_of_the_artists_nodes_stay(tmp_path: Path) -> None:
    source, scene = bpy.context.scene, built(tmp_path)
    cube = own_object("cube", source.collection)
    tree = bpy.data.node_groups.new("own", "GeometryNodeTree")
    tree.nodes.new("GeometryNodeObjectInfo").inputs["Object"].default_value = cube
    tree.use_fake_user = True
    planes_of(scene)[0].modifiers.new("own", "NODES").node_group = tree
    rebuild(scene, PLANES)
    remove_result(scene)
    assert bpy.data.objects["cube"] == cube
    assert bpy.data.node_groups["own"] == tree


def test_planes_are_found_wherever_they_lie_and_do_not_double(tmp_path: Path) -> None:
    scene = built(tmp_path)
    mine = bpy.data.collections.new("mine")
    scene.collection.children.link(mine)
    for number, plane in enumerate(planes_of(scene)[:6]):
        plane.users_collection[0].objects.unlink(plane)
        (mine if number % 2 else scene.collection).objects.link(plane)
    for _ in range(2):
        rebuild(scene, PLANES)
        assert len(planes_of(scene)) == 30
        assert mine.name in scene.collection.children
        assert not len(mine.objects)


@pytest.mark.parametrize("form", [PLANES, DENSE])
def test_a_result_that_was_put_into_another_collection_is_rebuilt_there(tmp_path: Path, form: Form) -> None:
    scene = built(tmp_path, form=form)
    child, outer = home(scene), bpy.data.collections.new("outer")
    scene.collection.children.unlink(child)
    outer.children.link(child)
    scene.collection.children.link(outer)
    rebuild(scene, form)
    assert layout_of(scene).count == 30
    assert [len(item.children) for item in scene.collection.children] == [1]


def test_without_a_plane_nothing_is_stored(tmp_path: Path) -> None:
    scene = built(tmp_path)
    bpy.data.batch_remove(planes_of(scene))
    with pytest.raises(UserError, match=r"No plane of .* is left: undo that"):
        rebuild(scene, PLANES)
    assert layout_of(scene).count == 30


def test_an_own_camera_is_left_alone(tmp_path: Path) -> None:
    source, scene = bpy.context.scene, built(tmp_path)
    camera = bpy.data.objects.new("mine", bpy.data.cameras.new("mine"))
    camera.location = (5, 6, 7)
    source.collection.objects.link(camera)
    scene.camera = camera
    rebuild(scene, Form("PLANES", spread=0.5))
    assert scene.camera == camera
    assert tuple(camera.location) == (5, 6, 7)
    remove_result(scene)
    assert bpy.data.objects["mine"] == camera


def test_a_removed_camera_is_recreated(tmp_path: Path) -> None:
    scene = built(tmp_path)
    bpy.data.objects.remove(scene.camera)
    rebuild(scene, PLANES)
    assert scene.camera is not None
    assert scene.camera.data.type == "ORTHO"


@pytest.mark.parametrize("form", [PLANES, DENSE])
def test_a_linked_copy_shares_nothing_that_is_removed(tmp_path: Path, form: Form) -> None:
    scene = built(tmp_path, form=form)
    before = census()
    bpy.ops.scene.new(type="LINK_COPY")
    copy = bpy.context.window.scene
    assert copy != scene
    remove_result(copy)
    assert scene.camera is not None
    assert same(read_layout(scene), layout_of(scene))
    assert census() == before


def test_a_plane_that_another_scene_shows_stays_there(tmp_path: Path) -> None:
    source, scene = bpy.context.scene, built(tmp_path)
    plane = planes_of(scene)[0]
    source.collection.objects.link(plane)
    rebuild(scene, PLANES)
    assert plane.name in source.collection.objects
    assert len(planes_of(scene)) == 30


def test_painted_planes_keep_their_meshes(tmp_path: Path) -> None:
    scene = built(tmp_path)
    plane = next(item for item in planes_of(scene) if item.data.users > 2)
    plane.data = plane.data.copy()
    plane.data.name = "painted"
    row = plane["diffbmp_row"]
    assert read_scene(scene).own_meshes == {row: plane.data}
    rebuild(scene, PLANES)
    assert next(item for item in planes_of(scene) if item["diffbmp_row"] == row).data.name == "painted"
    assert "painted" not in {mesh.name for mesh in meshes_of(scene).values()}
    with pytest.raises(UserError, match="1 planes have meshes of their own"):
        rebuild(scene, DENSE)
    assert len(planes_of(scene)) == 30


def test_deleted_planes_of_a_clip_stay_deleted(tmp_path: Path) -> None:
    write_layout(tmp_path / "clip", *clip_layout(12, 4))
    scene = build_scene(tmp_path / "clip", "clip", 1, PLANES)
    count = len(planes_of(scene))
    bpy.data.objects.remove(planes_of(scene)[3])
    rebuild(scene, DENSE)
    layout = stored_layout(scene)
    assert layout is not None
    assert layout.count == count - 1


def test_delta_transforms_are_read(tmp_path: Path) -> None:
    scene = built(tmp_path)
    plane = planes_of(scene)[0]
    row, before = plane["diffbmp_row"], read_layout(scene)
    plane.delta_location.x = 0.2
    after = read_layout(scene)
    assert after.x[0, row] == pytest.approx(before.x[0, row] + 20, abs=1e-3)


def test_instances_in_edit_mode_are_named(tmp_path: Path) -> None:
    scene = built(tmp_path, form=DENSE)
    shown = dense_object(scene)
    bpy.context.view_layer.objects.active = shown
    bpy.ops.object.mode_set(mode="EDIT")
    with pytest.raises(UserError, match="is in Edit Mode: leave that first"):
        rebuild(scene, DENSE)
    bpy.ops.object.mode_set(mode="OBJECT")
    rebuild(scene, DENSE)


def test_nothing_unused_is_left_of_rebuilding(tmp_path: Path) -> None:
    scene = built(tmp_path)
    stamps = stamps_of(scene)
    for form in (DENSE, PLANES, DENSE, PLANES):
        rebuild(scene, form)
        assert stamps_of(scene) == stamps
        unused = [item.name for kind in (bpy.data.images, bpy.data.meshes, bpy.data.materials) for item in kind]
        assert unused
        assert all(item.users for kind in (bpy.data.meshes, bpy.data.materials, bpy.data.objects) for item in kind)
        assert not any(item.name for item in bpy.data.images if not item.users)


def test_the_source_is_known_by_name_after_another_build(tmp_path: Path) -> None:
    source, scene = bpy.context.scene, built(tmp_path)
    assert source_of(scene) is None
    source.diffbmp.build.scene = scene
    assert source_of(scene) == source
    source.diffbmp.build.scene = None
    scene[SOURCE] = source.name
    assert source_of(scene) == source


@pytest.mark.parametrize("side", [16, 512])
def test_a_stamp_of_another_size_is_as_sharp(tmp_path: Path, side: int) -> None:
    scene = built(tmp_path)
    image = bpy.data.images.new("other", side, side, alpha=True)
    spec = layout_of(scene).templates[0]
    axis = int(spec.height > spec.width)
    before = {plane["diffbmp_row"]: texels(plane, axis) for plane in planes_of(scene)}
    replace_stamp(scene, 0, image)
    assert not any(item.name for item in bpy.data.images if not item.users and item != image)
    for plane in planes_of(scene):
        if plane.data["diffbmp_level"][0] == 0:
            old, new = before[plane["diffbmp_row"]], texels(plane, axis)
            # Levels come two to an octave, and none is finer than the stamp itself.
            assert min(side, old / 1.5) <= new <= max(old * 1.5, 4)
    assert same(read_layout(scene), layout_of(scene))


def texels(plane: bpy.types.Object, axis: int) -> int:
    """Returns the width or the height of what a plane shows."""
    node = next(node for node in plane.data.materials[0].node_tree.nodes if node.type == "TEX_IMAGE")
    return int(node.image.size[axis]) - 2


def test_changes_during_a_fit_are_noticed(tmp_path: Path) -> None:
    scene = built(tmp_path)
    plane = next(item for item in planes_of(scene) if item.data.users > 2)
    plane.data = plane.data.copy()
    start = read_layout(scene)
    start.locked[plane["diffbmp_row"]] = True
    assert _kept_meshes(scene, start, start) == {plane["diffbmp_row"]: plane.data}
    plane.location.x += 0.01
    assert _kept_meshes(scene, start, start) is None
    plane.location.x -= 0.01
    bpy.data.batch_remove(planes_of(scene))
    assert _kept_meshes(scene, start, start) is None
