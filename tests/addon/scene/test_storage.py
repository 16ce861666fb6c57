"""Layouts and custom properties of a .blend from anywhere: a sentence names what is damaged, and panels still draw."""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.output.export import export_steps, shown_layout
from diffbmp.operators.result.rebuild import stamps_of
from diffbmp.operators.scene.build import Form, build_scene
from diffbmp.operators.scene.planes import LEVEL, LOCKED, ROW
from diffbmp.operators.scene.storage import KEY, LIVE, SOURCE, SPREAD, stored_layout, stored_scene
from diffbmp.operators.stamps.examples import example_images
from diffbmp.panels import layouts

from tests.addon.support.layout import classes, context_of, shown, why_not
from tests.addon.support.layouts import random_layout, write_layout

Damage = Callable[[Any], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_layout(tmp_path / "layout", *random_layout(20))
    return tmp_path / "layout"


@pytest.fixture(params=["PLANES", "DENSE"])
def built(request: pytest.FixtureRequest, folder: Path) -> bpy.types.Scene:
    scene = build_scene(folder, "sunset", samples=1, form=Form(request.param))
    bpy.context.window.scene = scene
    return scene


def put(name: str, value: Any) -> Damage:
    def damage(stored: Any) -> None:
        stored[name] = value

    return damage


def without(name: str) -> Damage:
    def damage(stored: Any) -> None:
        del stored[name]

    return damage


def fact(name: str, value: Any) -> Damage:
    """Returns what changes the JSON of the layout's facts."""

    def damage(stored: Any) -> None:
        stored["settings"] = json.dumps({**json.loads(stored["settings"]), name: value})

    return damage


def shape(name: str, value: Any) -> Damage:
    def damage(stored: Any) -> None:
        stored["shapes"] = json.dumps({**json.loads(stored["shapes"]), name: value})

    return damage


def number(name: str, value: float) -> Damage:
    def damage(stored: Any) -> None:
        stored[name][0] = value

    return damage


def no_image(stored: Any) -> None:
    bpy.data.images.remove(stored["stamps"]["1"])


DAMAGES: list[Damage] = [
    *(without(name) for name in ("settings", "shapes", "stamps", "x", "template", "locked")),
    *(put(name, 7) for name in ("settings", "shapes", "stamps", "x", "template")),
    *(put(name, "text") for name in ("settings", "shapes", "stamps", "x", "template")),
    *(put(name, {"a": 1}) for name in ("settings", "shapes", "stamps", "x", "template")),
    *(put(name, [1.0, 2.0]) for name in ("settings", "shapes", "stamps", "x", "template")),
    *(put(name, "[" * 100_000) for name in ("settings", "shapes")),
    *(put(name, "[1]") for name in ("settings", "shapes")),
    put("settings", '{"width": 1' + "0" * 400 + "}"),
    put("stamps", {"0": None}),
    put("stamps", {"0": 1, "1": 2, "2": 3}),
    put("x", ["a", "b"]),
    *(fact(name, None) for name in ("width", "templates", "frames", "background", "fps", "space")),
    *(fact(name, {"a": [1]}) for name in ("width", "templates", "frames", "background", "fps", "space")),
    *(fact(name, 1e300) for name in ("width", "fps")),
    fact("frames", []),
    fact("frames", [1, 2]),
    fact("frames", [10**12]),
    fact("background", [0, 0, 1e9]),
    fact("templates", []),
    fact("hue", 1),
    fact("x", [[1.0]]),
    *(
        shape("x", value)
        for value in (None, 5, [], [20], [1, 19], [-1, -20], [10**40], ["a"], [1, 1, 1, 20], [1.0, 20])
    ),
    shape("hue", [1]),
    *(number("x", value) for value in (float("nan"), float("inf"), 1e30)),
    number("aspect", 1e13),
    number("scale", -1.0),
    number("template", 99),
    number("template", -1),
    number("level", 2_000_000_000),
    no_image,
]


@pytest.fixture(autouse=True)
def _interface(monkeypatch: pytest.MonkeyPatch) -> None:
    preferences = SimpleNamespace(system=SimpleNamespace(ui_scale=1.0))  # in background mode it is 0
    monkeypatch.setattr(layouts, "bpy", SimpleNamespace(context=SimpleNamespace(preferences=preferences)))


def look(scene: bpy.types.Scene) -> None:
    """Draws the panels, and asks of all operators what Blender asks before it draws them."""
    shown(scene)
    for kind in classes(bpy.types.Operator):
        why_not(kind, context_of(scene))


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
def test_a_damaged_layout_is_named(folder: Path, damage: Damage, tmp_path: Path) -> None:
    scene = build_scene(folder, "sunset", samples=1)
    bpy.context.window.scene = scene
    damage(scene[KEY])
    with pytest.raises(UserError, match=r"layout stored in the scene 'DiffBMP sunset' is damaged .*: build it again"):
        stored_layout(scene)
    assert len(stamps_of(scene)) <= 3
    look(scene)
    for act in (bpy.ops.diffbmp.rebuild, bpy.ops.diffbmp.bake, bpy.ops.diffbmp.replace_stamp):
        with pytest.raises(RuntimeError, match=r"is damaged|Choose an image"):
            act()
    with pytest.raises(UserError, match=r"is damaged"):
        shown_layout(scene)
    assert bpy.ops.diffbmp.remove_result() == {"FINISHED"}


def test_a_plane_that_an_earlier_version_stored_flat_is_read(folder: Path) -> None:
    scene = build_scene(folder, "sunset", samples=1)
    scene[KEY]["aspect"][0], scene[KEY]["aspect"][1] = 5e-8, 5e7
    layout = stored_layout(scene)
    assert layout is not None
    assert layout.aspect[0, :2].tolist() == [2.0**-14, 2.0**14]


def test_a_scene_with_anything_for_a_layout_is_named(folder: Path) -> None:
    scene = build_scene(folder, "sunset", samples=1)
    bpy.context.window.scene = scene
    for value in (5, 0.5, "text", [1, 2], [{"a": 1}], True):
        scene[KEY] = value
        with pytest.raises(UserError, match=r"is damaged"):
            stored_layout(scene)
        look(scene)


@pytest.mark.parametrize("value", [5, -3.5, float("nan"), "text", [1, 2, 3], {"a": 1}, [0.5, 0.5, 0.5], [-1, 0, 0]])
def test_custom_properties_of_any_type_are_survived(built: bpy.types.Scene, value: Any) -> None:
    objects = [item for item in built.collection.all_objects if item.type == "MESH"]
    for key in (SOURCE, LIVE, SPREAD):
        built[key] = value
    for item in objects[:3]:
        item[ROW], item[LOCKED] = value, value
    assert stored_scene(built, SOURCE) is None
    look(built)
    assert shown_layout(built).count == 20
    del built[LIVE]
    for mesh in {item.data for item in objects} | {mesh for mesh in bpy.data.meshes if LEVEL in mesh}:
        mesh[LEVEL] = value
    image = bpy.data.images.new("image", 4, 4)
    image["diffbmp_example"] = value
    assert len(example_images()) == 3
    look(built)
    for act in (bpy.ops.diffbmp.rebuild, bpy.ops.diffbmp.bake):
        if act.poll() and value != [1, 2, 3]:
            with pytest.raises(RuntimeError, match=r"build again|build the layout again"):
                act()


def test_points_of_another_layout_are_named(folder: Path) -> None:
    scene = build_scene(folder, "sunset", samples=1, form=Form("DENSE"))
    bpy.context.window.scene = scene
    (points,) = (item.data for item in scene.collection.all_objects if item.type == "MESH")
    numbers = next(item for item in points.attributes if item.data_type == "INT" and item.name.endswith("primitive"))
    numbers.data.foreach_set("value", np.full(20, 5000, np.int32))
    for act in (bpy.ops.diffbmp.rebuild, bpy.ops.diffbmp.bake, bpy.ops.diffbmp.make_editable):
        with pytest.raises(RuntimeError, match=r"are of another layout"):
            act()
    points.attributes.remove(numbers)
    look(scene)


def test_an_export_writes_a_layout_that_is_read_from_its_own_folder(built: bpy.types.Scene, tmp_path: Path) -> None:
    from diffbmp.backend.job import ExportJob, ExportSettings, Layout

    (tmp_path / "job").mkdir()
    for _ in export_steps(built, tmp_path / "job", ExportSettings()):
        pass
    job = ExportJob.load(tmp_path / "job", outside=True)
    assert Layout.load(Path(job.layout)).count == 20
    facts = json.loads((tmp_path / "job" / "layout" / "layout.json").read_text())
    assert all(spec["file"].startswith("templates/") for spec in facts["templates"])


def rename_stamp(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        facts = json.loads((folder / "layout.json").read_text())
        facts["templates"][0]["file"] = name
        (folder / "layout.json").write_text(json.dumps(facts))

    return change


def replaced(name: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Returns what puts something else in the place of a file."""

    def change(folder: Path) -> None:
        path = next(folder.glob(name))
        path.unlink()
        make(path)

    return change


def link_out(path: Path) -> None:
    path.symlink_to(path.parents[2] / "secret.png" if path.parent.name != "layout" else path.parents[1] / "secret.png")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


PLACES = ("layout.json", "layout.npz", "templates/000_*.png", "levels/*.png")
HOSTILE = [
    *(rename_stamp(name) for name in ("../secret.png", "/secret.png", r"..\secret.png", r"\\server\x.png", "C:x.png")),
    *(replaced(name, make) for name in PLACES for make in (link_out, pipe, device)),
]


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes there, and links need a privilege")
@pytest.mark.parametrize("change", HOSTILE)
def test_a_hostile_folder_neither_hangs_nor_takes_files_from_elsewhere(
    folder: Path, change: Callable[[Path], None]
) -> None:
    shutil.copy(next((folder / "templates").iterdir()), folder.parent / "secret.png")
    change(folder)
    before = set(bpy.data.images)
    with pytest.raises(UserError, match=r"names .*, which (is|leads)"):
        build_scene(folder, "sunset", samples=1)
    assert set(bpy.data.images) == before


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 20_000, 1), b"GIF89a", b""])
def test_a_stamp_that_is_huge_or_no_png_is_named_before_blender_reads_it(
    folder: Path, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    next((folder / "templates").glob("000_*.png")).write_bytes(start)
    monkeypatch.setattr("diffbmp.operators.scene.build.make_meshes", lambda *_: pytest.fail("a stamp was loaded"))
    with pytest.raises(UserError, match=r"has a side of 20,000 px, more than 16,386|cannot be read: optimize again"):
        build_scene(folder, "sunset", samples=1)
