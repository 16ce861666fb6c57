"""Layout to scene: what is in it, how much work it is, and that nothing is left behind on errors."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import Limits, UserError
from diffbmp.backend.job.layout import Layout, level_file
from diffbmp.operators.blender.images import read_image, write_png
from diffbmp.operators.scene.build import build_scene
from diffbmp.operators.scene.planes import SPACING, UNIT
from diffbmp.operators.scene.storage import stored_layout

from tests.addon.support.layouts import random_layout, write_layout
from tests.addon.support.work import work_of

KINDS = ("objects", "meshes", "materials", "images", "collections", "scenes", "worlds", "cameras", "node_groups")


@pytest.fixture
def layout_folder(tmp_path: Path) -> Path:
    write_layout(tmp_path / "layout", *random_layout(40))
    return tmp_path / "layout"


def census() -> dict[str, int]:
    return {kind: len(getattr(bpy.data, kind)) for kind in KINDS}


def planes_of(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Returns the planes from front to back."""
    planes = [item for item in scene.collection.all_objects if item.type == "MESH"]
    return sorted(planes, key=lambda plane: -plane.location.z)


def test_planes_lie_as_the_layout_says(layout_folder: Path) -> None:
    scene = build_scene(layout_folder, "sunset", samples=1)
    layout = Layout.load(layout_folder)
    planes = planes_of(scene)
    assert len(planes) == layout.count
    for index in (0, 1, 17, 39):
        plane = planes[index]
        x = (layout.x[0, index] - layout.width / 2) * UNIT
        y = (layout.height / 2 - layout.y[0, index]) * UNIT
        np.testing.assert_allclose(plane.location, (x, y, (layout.count - 1 - index) * SPACING), atol=1e-6)
        assert plane.rotation_euler.z == pytest.approx(-layout.rotation[0, index])
        u = layout.scale[0, index] * math.sqrt(layout.aspect[0, index]) * UNIT
        v = layout.scale[0, index] / math.sqrt(layout.aspect[0, index]) * UNIT
        np.testing.assert_allclose(plane.scale, (-u if layout.mirror[index] else u, v, 1), rtol=1e-5)
        np.testing.assert_allclose(plane.color[:3], layout.color[0, index], atol=1e-6)
        assert plane.color[3] == pytest.approx(layout.opacity[0, index])


def test_an_artist_finds_the_way(layout_folder: Path) -> None:
    scene = build_scene(layout_folder, "sunset", samples=4)
    assert scene.name == "DiffBMP sunset"
    (collection,) = scene.collection.children
    assert collection.name == "sunset"
    assert [child.name for child in collection.children] == ["sunset leaf", "sunset petal", "sunset stroke"]
    layout = Layout.load(layout_folder)
    first = layout.templates[int(layout.template[0])].name
    assert planes_of(scene)[0].name == f"{first}_01"
    assert planes_of(scene)[0].users_collection[0].name == f"sunset {first}"
    assert {plane.name[-2:] for plane in planes_of(scene)} == {f"{number:02d}" for number in range(1, 41)}
    materials = {slot.material.name for plane in planes_of(scene) for slot in plane.material_slots}
    assert materials == {f"{name} {level}" for name in ("leaf", "petal", "stroke") for level in ("0x0", "2x0", "1x2")}
    assert (scene.render.resolution_x, scene.render.resolution_y) == (160, 120)
    assert scene.cycles.samples == 4


def test_the_users_scene_is_left_alone(layout_folder: Path) -> None:
    user = bpy.context.scene
    before = (user.render.engine, user.view_settings.view_transform, user.world, len(user.collection.all_objects))
    build_scene(layout_folder, "sunset", samples=1)
    assert bpy.context.scene == user
    assert before == (
        user.render.engine,
        user.view_settings.view_transform,
        user.world,
        len(user.collection.all_objects),
    )


def test_building_again_leaves_the_first_result(layout_folder: Path) -> None:
    first = build_scene(layout_folder, "sunset", samples=1)
    second = build_scene(layout_folder, "sunset", samples=1)
    assert (first.name, second.name) == ("DiffBMP sunset", "DiffBMP sunset.001")
    assert len(planes_of(first)) == len(planes_of(second)) == 40


def test_the_file_holds_everything(layout_folder: Path, tmp_path: Path) -> None:
    build_scene(layout_folder, "sunset", samples=1)
    layout = Layout.load(layout_folder)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "sunset.blend"))
    for path in layout_folder.rglob("*.png"):
        path.unlink()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "sunset.blend"))

    stored = stored_layout(bpy.data.scenes["DiffBMP sunset"])
    assert stored is not None
    for name in ("x", "y", "scale", "aspect", "rotation", "opacity", "color", "template", "level", "mirror", "locked"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(layout, name), err_msg=name)
    assert (stored.width, stored.height, stored.space) == (160, 120, "display")
    assert (stored.background, stored.frames) == ((0.9, 0.6, 0.3), [1])
    assert [spec.name for spec in stored.templates] == ["leaf", "petal", "stroke"]
    for spec in stored.templates:
        assert read_image(bpy.data.images[spec.file]).shape == (spec.height, spec.width, 4)
    for image in bpy.data.images:
        assert image.packed_file
        assert str(tmp_path) not in image.filepath
        read_image(image)


def test_limits_of_stamps_survive_in_the_file(layout_folder: Path, tmp_path: Path) -> None:
    layout = Layout.load(layout_folder)
    limits = Limits(2.5, True, (0.1, 0.4), (-0.5, 1.25), (0.25, 0.75), share=3.0, most=17)
    for spec in layout.templates:
        spec.limits = replace(limits, share=float(len(spec.name)))
    layout.save(layout_folder)
    build_scene(layout_folder, "sunset", samples=1)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "sunset.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "sunset.blend"))
    stored = stored_layout(bpy.data.scenes["DiffBMP sunset"])
    assert stored is not None
    assert [replace(spec, file="") for spec in stored.templates] == [
        replace(spec, file="") for spec in Layout.load(layout_folder).templates
    ]
    assert [spec.limits.share for spec in stored.templates] == [4.0, 5.0, 6.0]


def test_transparency_of_the_canvas_survives_in_the_scene(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", *random_layout(5, transparent=True))
    scene = build_scene(tmp_path / "layout", "cutout", samples=1)
    stored = stored_layout(scene)
    assert stored is not None
    assert stored.transparent
    assert scene.render.film_transparent
    assert scene.render.image_settings.color_mode == "RGBA"


def test_a_scene_that_was_not_built_holds_no_layout() -> None:
    assert stored_layout(bpy.context.scene) is None


def test_levels_on_sheets_are_those_of_files(tmp_path: Path) -> None:
    layout, bitmaps = random_layout(40)
    shown = []
    for on_sheets in (False, True):
        folder = tmp_path / str(on_sheets)
        write_layout(folder, layout, bitmaps, on_sheets=on_sheets)
        build_scene(folder, folder.name, samples=1)
        images = [image for image in bpy.data.images if "x" in image.name]
        shown.append({image.name: read_image(image) for image in images})
        assert {image.colorspace_settings.name for image in images} == {"Non-Color"}
        assert {image.alpha_mode for image in images} == {"CHANNEL_PACKED"}
        assert all(image.packed_file for image in images)
        for image in list(bpy.data.images):
            bpy.data.images.remove(image)
    assert shown[0].keys() == shown[1].keys()
    assert len(shown[0]) == 9
    for name, pixels in shown[0].items():
        np.testing.assert_array_equal(shown[1][name], pixels)


@pytest.mark.parametrize("what", ["missing", "broken", "small", "no list"])
def test_damaged_sheets_leave_nothing_behind(tmp_path: Path, what: str) -> None:
    write_layout(tmp_path / "layout", *random_layout(40), on_sheets=True)
    sheet = tmp_path / "layout" / "levels" / "000.png"
    if what == "missing":
        sheet.unlink()
    elif what == "broken":
        sheet.write_text("no picture", encoding="utf-8")
    elif what == "small":
        write_png(sheet, np.zeros((9, 9, 4), np.uint8))
    else:
        sheet.with_suffix(".json").write_text("[]", encoding="utf-8")
    before = census()
    with pytest.raises(UserError, match=r"000\."):
        build_scene(tmp_path / "layout", "sunset", samples=1)
    assert census() == before


@pytest.mark.parametrize("what", ["missing", "broken", "no json", "no npz", "no stamp", "broken stamp"])
def test_an_incomplete_layout_leaves_nothing_behind(layout_folder: Path, what: str) -> None:
    layout = Layout.load(layout_folder)
    level = layout_folder / level_file(int(layout.template[0]), int(layout.level[0, 0]), int(layout.level[0, 1]))
    files = {
        "missing": level,
        "broken": level,
        "no json": layout_folder / "layout.json",
        "no npz": layout_folder / "layout.npz",
        "no stamp": layout_folder / "templates" / "001_petal.png",
        "broken stamp": layout_folder / "templates" / "001_petal.png",
    }
    if what.startswith("broken"):
        files[what].write_text("no picture", encoding="utf-8")
    else:
        files[what].unlink()
    before = census()
    with pytest.raises(UserError, match=files[what].name):
        build_scene(layout_folder, "sunset", samples=1)
    assert census() == before


def test_undo_takes_the_result_away_and_redo_brings_it_back(layout_folder: Path) -> None:
    bpy.context.scene.diffbmp.build.layout = str(layout_folder)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.diffbmp.build()
    bpy.ops.ed.undo_push(message="build")
    assert len(bpy.data.scenes) == 2
    bpy.ops.ed.undo()
    assert len(bpy.data.scenes) == 1
    assert not [item for item in bpy.data.objects if item.type == "MESH"]
    bpy.ops.ed.redo()
    result = bpy.context.scene.diffbmp.build.scene
    assert result.name == f"DiffBMP {layout_folder.name}"
    assert len(planes_of(result)) == 40
    assert stored_layout(result) is not None


def test_each_plane_is_little_work(tmp_path: Path) -> None:
    for count in (50, 400, 2000):  # the first fills caches
        write_layout(tmp_path / str(count), *random_layout(count, width=512, height=512))
    _, few, many = (
        work_of(partial(build_scene, tmp_path / str(count), f"s{count}", samples=1)) for count in (50, 400, 2000)
    )
    assert many.calls - few.calls <= 4 * 1600  # 2 calls a plane
    assert many.updates == few.updates == 0
    assert planes_of(bpy.data.scenes["DiffBMP s2000"])[-1].name.endswith("_2000")


def test_a_canvas_too_narrow_for_blender_is_refused(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", *random_layout(5, width=40, height=3))
    with pytest.raises(UserError, match="has a canvas of 40 x 3 pixels, but Blender renders at least 4 a side"):
        build_scene(tmp_path / "layout", "narrow", samples=1)


def test_no_two_images_have_one_path(layout_folder: Path) -> None:
    """Otherwise unpacking them to files would mix up their pictures."""
    for _ in range(2):
        build_scene(layout_folder, "sunset", samples=1)
    paths = [image.filepath for image in bpy.data.images if image.packed_file]
    assert len(set(paths)) == len(paths) == 24
