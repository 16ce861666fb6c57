"""Regions: their list, their masks in a job's folder, and their messages."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import Limits, UserError
from diffbmp.operators.blender.images import ByteArray, read_image
from diffbmp.operators.fit.job_settings import region_limits, region_settings
from diffbmp.operators.masks import still
from diffbmp.operators.masks.collect import region_steps
from diffbmp.operators.masks.properties import active_region
from diffbmp.operators.session.steps import all_at_once

from tests.addon.support.census import census
from tests.addon.support.pictures import make_image, picture
from tests.addon.support.scenes import add_square, make_mask

WIDTH, HEIGHT = 48, 32


def target() -> ByteArray:
    """An image that is opaque except for its left half."""
    pixels = np.rint(picture(WIDTH, HEIGHT) * 255).astype(np.uint8)
    pixels[:, : WIDTH // 2, 3] = 51
    return pixels


def add_region(source: str, **values: object) -> bpy.types.PropertyGroup:
    assert bpy.ops.diffbmp.add_region() == {"FINISHED"}
    region = active_region(bpy.context.scene)
    assert region is not None
    region.area.source = source
    for name, value in values.items():
        setattr(region.area, name, value)
    return region


def make_square() -> bpy.types.Mask:
    mask = make_mask("square")
    add_square(mask.layers[0], 0.25, 0.75)
    return mask


def written(folder: Path, file: str) -> ByteArray:
    """The gray of a written mask."""
    image = bpy.data.images.load(str(folder / file))
    rgba = read_image(image)
    bpy.data.images.remove(image)
    assert (rgba[..., 3] == 255).all()
    assert (rgba[..., :3] == rgba[..., :1]).all()
    return rgba[..., 0]


def write(folder: Path) -> tuple[str, list[ByteArray]]:
    overall, regions = all_at_once(region_steps(bpy.context.scene, folder, WIDTH, HEIGHT, target()))
    return overall, [written(folder, item.file) for item in regions]


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        write(folder)
    return caught.value.message


def test_nothing_is_written_without_masks(tmp_path: Path) -> None:
    add_region("mask").use = False
    assert write(tmp_path) == ("", [])
    assert not list(tmp_path.iterdir())


def test_masks_are_written_front_first(tmp_path: Path) -> None:
    add_region("mask", mask=make_square()).name = "Sky / far"
    add_region("alpha")
    add_region("none").use = False
    add_region("none")
    bpy.context.scene.diffbmp.regions.overall.source = "alpha"
    before = census()
    overall, regions = all_at_once(region_steps(bpy.context.scene, tmp_path, WIDTH, HEIGHT, target()))
    assert census() == before
    assert overall == "masks/canvas.png"
    files = ["masks/000_Sky_far.png", "masks/001_Region_1.png", "masks/002_Region_3.png"]
    assert [item.file for item in regions] == files
    assert [item.name for item in regions] == ["Sky / far", "Region 1", "Region 3"]
    assert regions[0].region == bpy.context.scene.diffbmp.regions.entries[0]
    square, alpha, everything = (written(tmp_path, file) for file in files)
    assert abs(square.mean() / 255 - 24 * 24 / (WIDTH * HEIGHT)) < 0.01
    np.testing.assert_array_equal(alpha, target()[..., 3])
    np.testing.assert_array_equal(written(tmp_path, overall), alpha)
    assert (everything == 255).all()


def test_invert(tmp_path: Path) -> None:
    add_region("alpha", invert=True)
    _, (found,) = write(tmp_path)
    np.testing.assert_array_equal(found, 255 - target()[..., 3])


def test_images_keep_their_size(tmp_path: Path) -> None:
    pixels = np.zeros((5, 7, 4), np.float32)
    pixels[:2], pixels[..., 3] = 1.0, 0.6
    image = make_image("paint", pixels)
    add_region("image", image=image)
    add_region("alpha", image=image)
    _, (bright, alpha) = write(tmp_path)
    np.testing.assert_array_equal(alpha, np.full((5, 7), 153))
    np.testing.assert_array_equal(bright, np.repeat([[153], [153], [0], [0], [0]], 7, 1))


def test_silhouettes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def render(objects: list[bpy.types.Object], camera: bpy.types.Object, width: int, height: int) -> ByteArray:
        calls.append(({item.name for item in objects}, camera.name, width, height))
        return np.full((height, width), 7, np.uint8)

    monkeypatch.setattr(still, "render_silhouette", render)
    scene = bpy.context.scene
    cameras = [bpy.data.objects.new(name, bpy.data.cameras.new(name)) for name in ("main", "other")]
    things = [bpy.data.objects.new(name, bpy.data.meshes.new(name)) for name in ("a", "b")]
    group = bpy.data.collections.new("group")
    scene.collection.children.link(group)
    for item in (*cameras, *things):
        group.objects.link(item) if item in things else scene.collection.objects.link(item)
    add_region("object", object=things[0])
    assert refusal(tmp_path).startswith("The region Region 1: there is no camera for its silhouette: choose one")
    scene.camera = cameras[0]
    add_region("collection", collection=group, camera=cameras[1])
    _, found = write(tmp_path)
    assert calls == [({"a"}, "main", WIDTH, HEIGHT), ({"a", "b"}, "other", WIDTH, HEIGHT)]
    assert all((item == 7).all() for item in found)
    group.objects.unlink(things[0])
    assert refusal(tmp_path) == "The region Region 1: the object a was deleted: choose another"


@pytest.mark.parametrize("source", ["image", "mask", "object", "collection"])
def test_what_is_missing_is_named(tmp_path: Path, source: str) -> None:
    add_region(source).name = "Sky"
    assert refusal(tmp_path) == f"The region Sky: it has no {source}: choose one"
    bpy.ops.diffbmp.remove_region()
    bpy.context.scene.diffbmp.regions.overall.source = source
    assert refusal(tmp_path) == f"The mask of the canvas: it has no {source}: choose one"


def test_empty_masks_are_named(tmp_path: Path) -> None:
    region = add_region("image", image=make_image("black", np.zeros((4, 4, 4))))
    assert refusal(tmp_path).startswith("The region Region 1: nothing lies inside it: choose something else")
    region.area.source, region.area.mask = "mask", make_mask("void")
    assert refusal(tmp_path).startswith("The region Region 1: the mask void is empty in frame 1: draw")
    region.area.source, region.area.collection = "collection", bpy.data.collections.new("none")
    assert refusal(tmp_path) == "The region Region 1: the collection none holds no object: choose another"


def test_regions_are_added_removed_and_moved() -> None:
    regions = bpy.context.scene.diffbmp.regions
    assert not bpy.ops.diffbmp.remove_region.poll()
    assert not bpy.ops.diffbmp.move_region.poll()
    for name in "abc":
        add_region("none").name = name
    assert bpy.ops.diffbmp.move_region(direction="up") == {"FINISHED"}
    assert ([item.name for item in regions.entries], regions.active) == (["a", "c", "b"], 1)
    assert bpy.ops.diffbmp.move_region(direction="down") == {"FINISHED"}
    assert bpy.ops.diffbmp.move_region(direction="down") == {"CANCELLED"}
    assert ([item.name for item in regions.entries], regions.active) == (["a", "b", "c"], 2)
    assert bpy.ops.diffbmp.remove_region() == {"FINISHED"}
    assert ([item.name for item in regions.entries], regions.active) == (["a", "b"], 1)
    add_region("none")
    assert regions.entries[2].name == "Region 1"


def test_settings_of_a_region() -> None:
    scene = bpy.context.scene
    scene.diffbmp.look.palette, scene.diffbmp.limits.stretch = "target", 2.0
    region = add_region("none")
    assert (region_settings(region), region_limits(region)) == ({}, None)
    region.own_limits, region.limits.stretch, region.limits.usage = True, 3.0, "shares"
    assert (region_settings(region), region_limits(region)) == ({"usage": "shares"}, Limits(stretch=3.0))
    region.own_limits, region.own_look = False, True
    region.look.order, region.look.spacing, region.look.outlines = "small_front", 1.5, 0.5
    expected = {
        "losses": {"mse": 1.0, "edge": 0.05},
        "spacing": 0.015,
        "order": "small_front",
        "containment": 1.0,
        "palette": [],
        "palette_size": 0,
    }
    assert region_settings(region) == expected
    region.look.palette = "given"
    with pytest.raises(UserError, match="The palette of the region Region 1 has no colors: add at least one"):
        region_settings(region)
    assert bpy.ops.diffbmp.add_color(region=0) == {"FINISHED"}
    assert region_settings(region) == {**expected, "palette": [(0.5, 0.5, 0.5)]}
    assert not scene.diffbmp.look.colors
    assert bpy.ops.diffbmp.remove_color(index=0, region=0) == {"FINISHED"}
    assert not region.look.colors
    with pytest.raises(RuntimeError, match="There is no region 3: the list has 1"):
        bpy.ops.diffbmp.add_color(region=3)
    scene.diffbmp.fit.recipe, region.own_limits = "paper", True
    assert (region_settings(region), region_limits(region)) == ({}, None)


def save(folder: Path) -> str:
    """A file with two regions and a mask of the canvas, whose datablocks were renamed after they were chosen."""
    scene = bpy.context.scene
    mask, image = make_square(), make_image("paint", picture())
    image.pack()
    stamps = bpy.data.collections.new("leaves")
    add_region("mask", mask=mask)
    region = add_region("image", image=image, invert=True)
    region.stamps, region.share, region.own_look, region.look.spacing = stamps, 2.0, True, 1.0
    scene.diffbmp.regions.overall.source = "mask"
    scene.diffbmp.regions.overall.mask = mask
    mask.name, image.name, stamps.name, scene.name = "renamed", "repainted", "blossoms", "picture"
    path = str(folder / "a.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path, copy=True)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    return path


def check(scene: bpy.types.Scene, folder: Path) -> None:
    regions = scene.diffbmp.regions
    first, second = regions.entries
    assert (first.area.mask.name, regions.overall.mask.name, regions.overall.source) == ("renamed", "renamed", "mask")
    assert (second.area.image.name, second.area.invert, second.stamps.name) == ("repainted", True, "blossoms")
    assert (second.share, second.own_look, second.look.spacing, regions.active) == (2.0, True, 1.0, 1)
    overall, written_regions = all_at_once(region_steps(scene, folder, WIDTH, HEIGHT, target()))
    assert overall
    assert len(written_regions) == 2


def test_regions_are_saved_with_the_file(tmp_path: Path) -> None:
    bpy.ops.wm.open_mainfile(filepath=save(tmp_path))
    check(bpy.context.scene, tmp_path)


def test_a_scene_from_another_file_keeps_its_regions(tmp_path: Path) -> None:
    path = save(tmp_path)  # after which no earlier bpy.data is left to load into
    with bpy.data.libraries.load(path, link=False) as (_, wanted):
        wanted.scenes = ["picture"]
    check(bpy.data.scenes["picture"], tmp_path)
