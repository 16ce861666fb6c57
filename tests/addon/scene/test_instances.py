"""The dense form plays like the planes at any time, and can be turned into planes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import UserError
from diffbmp.backend.job.layout import Layout
from diffbmp.operators.result.editable import make_editable, numbers_in
from diffbmp.operators.scene.build import CLIP_PLANES, STILL_PLANES, Form, build_scene
from diffbmp.operators.scene.instances import dense_object, primitives_of
from diffbmp.operators.scene.planes import transforms
from diffbmp.operators.scene.storage import stored_layout

from tests.addon.scene.test_clip_fidelity import render_frames
from tests.addon.scene.test_keyframes import curves_of, planes_of
from tests.addon.support.census import census
from tests.addon.support.clip_layouts import clip_layout
from tests.addon.support.compositor import composite, psnr
from tests.addon.support.layouts import Array, random_layout, write_layout
from tests.addon.support.work import work_of

CUT = 7


@pytest.fixture
def film(tmp_path: Path) -> tuple[Layout, Path, Any]:
    layout, bitmaps = clip_layout(20, 12, cut=CUT, relocating=0.3, start=5, step=2)
    write_layout(tmp_path / "layout", layout, bitmaps)
    return layout, tmp_path / "layout", bitmaps


def instances_of(scene: bpy.types.Scene, at: float) -> dict[int, tuple[Array, Array]]:
    """Returns what the dense object shows: by the primitive's number, its matrix [4, 4] and color [4]."""
    bpy.context.window.scene = scene
    scene.frame_set(int(at), subframe=at % 1.0)
    graph = bpy.context.evaluated_depsgraph_get()
    shown = dense_object(scene)
    assert shown is not None
    geometry = shown.evaluated_get(graph).evaluated_geometry()
    cloud = geometry.instances_pointcloud()
    if cloud is None:
        return {}
    count = len(cloud.points)
    color, numbers = np.empty((count, 4), np.float32), np.empty(count, np.int32)
    cloud.attributes["color"].data.foreach_get("color", color.ravel())
    cloud.attributes["id"].data.foreach_get("value", numbers)
    matrices = [np.array(item.matrix_world) for item in graph.object_instances if item.is_instance]
    assert len(matrices) == count
    return {number: (matrices[i], color[i]) for i, number in enumerate(numbers.tolist())}


def expected(layout: Layout, frame: int) -> dict[int, tuple[Array, Array]]:
    moves = transforms(layout)
    found = {}
    for row in np.flatnonzero(layout.opacity[frame] > 0).tolist():
        (u, v), angle = moves.scale[frame, row], moves.rotation[frame, row]
        matrix = np.eye(4)
        matrix[:2, 0], matrix[:2, 1] = (
            (u * np.cos(angle), u * np.sin(angle)),
            (-v * np.sin(angle), v * np.cos(angle)),
        )
        matrix[:3, 3] = moves.location[frame, row]
        found[row] = matrix, moves.color[frame, row]
    return found


def assert_same(found: dict[int, tuple[Array, Array]], wanted: dict[int, tuple[Array, Array]]) -> None:
    assert found.keys() == wanted.keys()
    for row, pair in wanted.items():
        for one, other in zip(found[row], pair, strict=True):
            np.testing.assert_allclose(one, other, atol=2e-5)


def test_each_frame_shows_the_layout(film: tuple[Layout, Path, Any]) -> None:
    layout, folder, _ = film
    scene = build_scene(folder, "film", 1, Form("DENSE"))
    for frame, number in enumerate(layout.frames):
        assert_same(instances_of(scene, number), expected(layout, frame))
    assert_same(instances_of(scene, -3), expected(layout, 0))
    assert_same(instances_of(scene, 99), expected(layout, 11))


def test_planes_and_instances_play_alike(film: tuple[Layout, Path, Any]) -> None:
    layout, folder, _ = film
    scene = build_scene(folder, "film", 1, Form("PLANES", 0.0))
    bpy.context.window.scene = scene
    for frame, number in enumerate(layout.frames):
        scene.frame_set(number)
        wanted = expected(layout, frame)
        graph = bpy.context.evaluated_depsgraph_get()
        for row, plane in enumerate(item.evaluated_get(graph) for item in planes_of(scene)):
            shown = not plane.hide_render and plane.color[3] > 0
            assert shown == (row in wanted)
            if shown:
                np.testing.assert_allclose(plane.matrix_world, wanted[row][0], atol=2e-5)
                np.testing.assert_allclose(plane.color, wanted[row][1], atol=2e-6)


def test_between_frames_paths_run_on_but_not_across_cuts_and_jumps(film: tuple[Layout, Path, Any]) -> None:
    layout, folder, _ = film
    scene = build_scene(folder, "film", 1, Form("DENSE"))
    moves = transforms(layout)
    for frame in range(11):
        found = instances_of(scene, layout.frames[frame] + 1.0)  # halfway: every second frame of the scene is fitted
        pair = layout.opacity[frame : frame + 2] > 0
        seen = pair[0] if frame + 1 == CUT else pair.any(0)
        assert sorted(found) == np.flatnonzero(seen).tolist()
        for row, (matrix, color) in found.items():
            stays = frame + 1 == CUT or not pair[1, row]
            place, tint = (
                values[frame, row] if stays else values[frame : frame + 2, row].mean(0)
                for values in (moves.location, moves.color)
            )
            np.testing.assert_allclose(matrix[:3, 3], place, atol=2e-5)
            np.testing.assert_allclose(color[:3], tint[:3], atol=2e-6)
            opacity = moves.color[frame, row, 3]
            if frame + 1 != CUT:
                opacity = (opacity + moves.color[frame + 1, row, 3]) / 2
            assert color[3] == pytest.approx(opacity, abs=2e-6)


def test_frames_may_be_unevenly_spaced(tmp_path: Path) -> None:
    layout, bitmaps = clip_layout(5, 5)
    layout.frames = [1, 2, 5, 9, 10]
    write_layout(tmp_path / "layout", layout, bitmaps)
    scene = build_scene(tmp_path / "layout", "film", 1, Form("DENSE"))
    for frame, number in enumerate(layout.frames):
        assert_same(instances_of(scene, number), expected(layout, frame))


def test_large_layouts_are_instances_by_default(tmp_path: Path) -> None:
    for name, count, frames, dense in (
        ("small", STILL_PLANES, 1, False),
        ("large", STILL_PLANES + 1, 1, True),
        ("film", CLIP_PLANES + 1, 2, True),
    ):
        layout, bitmaps = random_layout(count) if frames == 1 else clip_layout(count, frames, relocating=0.0)
        write_layout(tmp_path / name, layout, bitmaps)
        assert (dense_object(build_scene(tmp_path / name, name, 1)) is not None) == dense


def test_work_does_not_grow_with_instances(tmp_path: Path) -> None:
    """All are written at once; each frame takes some 20 calls."""
    works = []
    for count, frames in ((50, 20), (200, 20), (2000, 60)):  # the first fills caches
        folder = tmp_path / str(count)
        write_layout(folder, *clip_layout(count, frames, width=512, height=512))
        works.append(work_of(partial(build_scene, folder, folder.name, 1, Form("DENSE"))))
    _, few, many = works
    assert many.calls <= few.calls + 40 * (60 - 20)
    assert many.updates == few.updates == 0


def test_what_cannot_be_built_leaves_nothing_behind(film: tuple[Layout, Path, Any]) -> None:
    _, folder, _ = film
    next((folder / "levels").iterdir()).unlink()
    before = census()
    for form in ("PLANES", "DENSE"):
        with pytest.raises(UserError, match="is missing"):
            build_scene(folder, "film", 1, Form(form))
    assert census() == before


def test_making_some_instances_planes_changes_no_picture(film: tuple[Layout, Path, Any], tmp_path: Path) -> None:
    layout, folder, bitmaps = film
    build_scene(folder, "film", 1, Form("DENSE"))
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "film.blend"))
    for path in folder.rglob("*.*"):
        path.unlink()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "film.blend"))

    scene = bpy.data.scenes["DiffBMP film"]
    planes = make_editable(scene, [31, 0, 7, 12], tolerance=0.0)
    template = [layout.templates[layout.template[row]].name for row in (0, 7, 12, 31)]
    assert [plane.name for plane in planes] == [
        f"{name}_{row + 1:02d}" for name, row in zip(template, (0, 7, 12, 31), strict=True)
    ]
    shown = dense_object(scene)
    assert shown is not None
    assert primitives_of(shown).tolist() == [row for row in range(40) if row not in {0, 7, 12, 31}]
    assert {child.name for child in scene.collection.children[0].children} == {f"film {name}" for name in template}
    assert any(curves_of(plane) for plane in planes)
    chosen = [0, 4, CUT, 11]
    pictures = render_frames(scene, [layout.frames[index] for index in chosen], tmp_path)
    for index, picture in zip(chosen, pictures, strict=True):
        assert psnr(picture, composite(layout, bitmaps, frame=index)) > 50.0

    assert len(make_editable(scene)) == 36
    assert len(planes_of(scene)) == 41  # and the object, which now shows none
    with pytest.raises(UserError, match="None of these stamps is an instance"):
        make_editable(scene)


def test_stamps_are_made_planes_by_number_or_selection(film: tuple[Layout, Path, Any]) -> None:
    scene = build_scene(film[1], "film", 1, Form("DENSE"))
    bpy.context.window.scene = scene
    assert bpy.ops.diffbmp.make_editable(stamps="1-3, 9") == {"FINISHED"}
    shown = dense_object(scene)
    assert shown is not None
    assert primitives_of(shown).tolist() == [3, 4, 5, 6, 7, *range(9, 40)]

    bpy.context.view_layer.objects.active = shown
    shown.data.vertices.foreach_set("select", [number in {4, 30} for number in primitives_of(shown)])
    bpy.ops.object.mode_set(mode="EDIT")
    assert bpy.ops.diffbmp.make_editable() == {"FINISHED"}
    assert shown.mode == "EDIT"
    bpy.ops.object.mode_set(mode="OBJECT")
    assert not {4, 30} & set(primitives_of(shown).tolist())
    assert len(planes_of(scene)) == 7
    with pytest.raises(RuntimeError, match="names no stamps"):
        bpy.ops.diffbmp.make_editable(stamps="3-1")


def test_undo_makes_planes_instances_again(film: tuple[Layout, Path, Any]) -> None:
    scene = build_scene(film[1], "film", 1, Form("DENSE"))
    bpy.context.window.scene = scene
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.diffbmp.make_editable(stamps="1-3")
    bpy.ops.ed.undo_push(message="make editable")
    bpy.ops.ed.undo()
    scene = bpy.data.scenes["DiffBMP film"]
    assert len(planes_of(scene)) == 1
    assert len(primitives_of(planes_of(scene)[0])) == 40
    bpy.ops.ed.redo()
    assert len(planes_of(bpy.data.scenes["DiffBMP film"])) == 4


def test_only_a_scene_with_instances_offers_it() -> None:
    assert not bpy.ops.diffbmp.make_editable.poll()
    with pytest.raises(UserError, match="shows no stamps as instances"):
        make_editable(bpy.context.scene)


def test_numbers_are_read_from_text() -> None:
    assert numbers_in("1-3, 9").tolist() == [0, 1, 2, 8]
    for text in ("", "0", "a", "4-2", "1,,2", "-3"):
        with pytest.raises(UserError, match="names no stamps"):
            numbers_in(text)


def test_the_file_keeps_the_clip(film: tuple[Layout, Path, Any], tmp_path: Path) -> None:
    layout, folder, _ = film
    build_scene(folder, "film", 1)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "film.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "film.blend"))
    stored = stored_layout(bpy.data.scenes["DiffBMP film"])
    assert stored is not None
    assert (stored.frames, stored.fps) == (layout.frames, layout.fps)
    for name in ("x", "rotation", "opacity", "color", "depth", "level"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(layout, name), err_msg=name)
