"""Every panel in every state of its settings, drawn into a stand-in for Blender's layout that checks it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from diffbmp.operators.install.verify import DIFFBMP_OT_verify_backend
from diffbmp.operators.output.animate import DIFFBMP_OT_animate
from diffbmp.operators.scene.build import Form, build_scene
from diffbmp.operators.scene.storage import LIVE
from diffbmp.operators.session.slots import EXPORT, INSTALL, RUN, Slot
from diffbmp.operators.stamps.properties import add_sources
from diffbmp.operators.stamps.sources import Source
from diffbmp.operators.stamps.thumbnails import THUMBNAILS

from tests.addon.support.layout import Layout, Screen, StandIn, classes, context_of, shown, why_not
from tests.addon.support.layouts import random_layout, write_layout
from tests.addon.support.scenes import disc, make_cube, make_image, make_scene, make_text


def test_every_class_is_drawn_somewhere(tmp_path: Path) -> None:
    scene: Any = bpy.context.scene
    make_stamps(scene)
    add_region()
    scene.diffbmp.target.source, scene.diffbmp.target.moving = "SCENE", True
    write_layout(tmp_path / "layout", *random_layout(5))
    live = bpy.data.scenes.new("live")
    live[LIVE] = scene
    drawn = set()
    menu: Any = bpy.types.TOPBAR_MT_file_export
    for place in (scene, live, build_scene(tmp_path / "layout", "sunset", samples=1, form=Form("PLANES"))):
        screen = shown(place)
        for draw in menu.draw._draw_funcs:
            if draw.__module__.startswith("diffbmp."):
                draw(StandIn(menu, layout=Layout(screen)), screen.context)
        drawn |= set(screen.drawn)
    registered = {kind for base in (bpy.types.Panel, bpy.types.UIList, bpy.types.Menu) for kind in classes(base)}
    assert len(registered) > 20
    assert registered - drawn == set()


def test_operators_draw_their_options() -> None:
    assert len(classes(bpy.types.Operator)) > 40
    drawing = [kind for kind in classes(bpy.types.Operator) if hasattr(kind, "draw")]
    assert len(drawing) > 5
    for kind in drawing:
        for values in ({}, {"is_clip": True}, {"grouping": "none", "use_range": True, "flatten": True}):
            screen = Screen(context_of(bpy.context.scene))
            screen.draw_options(kind, **values)
            assert any(item.kind.startswith("prop") for item in screen.items) or kind.bl_idname == "diffbmp.export_json"


def test_every_operator_says_why_it_is_disabled(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", *random_layout(5))
    scene: Any = bpy.context.scene
    places = [scene, build_scene(tmp_path / "layout", "sunset", samples=1, form=Form("PLANES"))]
    assert not [reason for reason in reasons(*places) if reason.endswith(".")], "Blender adds the full stop"


def reasons(*scenes: bpy.types.Scene) -> list[str]:
    """Returns why each operator is disabled in these scenes."""
    return [why_not(kind, context_of(scene)) for kind in classes(bpy.types.Operator) for scene in scenes]


@pytest.mark.parametrize("slot", [RUN, EXPORT, INSTALL, DIFFBMP_OT_verify_backend.slot, DIFFBMP_OT_animate.slot])
def test_every_operator_says_why_it_must_wait(slot: Slot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", *random_layout(5))
    scene: Any = make_scene()
    scene.diffbmp.build.layout = str(tmp_path / "layout")
    result = build_scene(tmp_path / "layout", "sunset", samples=1, form=Form("DENSE"))
    free = reasons(scene, result)
    monkeypatch.setattr(slot, "task", SimpleNamespace(state="collecting"))
    monkeypatch.setattr(slot, "scene", result.session_uid)
    assert reasons(scene, result) != free


def test_fresh_file() -> None:
    screen = shown()
    assert screen.labels == [
        *("DiffBMP", "DiffBMP Presets", "Target", "Stamps", "Add Stamps", "Stamp Limits", "Look"),
        *("Masks and Regions", "Optimize", "Advanced", "Result", "Export"),
    ]
    (optimize,) = screen.buttons("diffbmp.optimize")
    assert optimize.reason == "Choose a target image"
    assert all(item.enabled for item in screen.items if item.layout.active)
    assert "Fine" in screen.texts, "a preset"


@pytest.mark.parametrize("source", ["NONE", "STILL", "MOVIE", "SEQUENCE", "SCENE", "OBJECT"])
def test_target(source: str) -> None:
    scene: Any = bpy.context.scene
    target: Any = scene.diffbmp.target
    if source in ("SCENE", "OBJECT"):
        target.source = source
        setattr(target, source.lower(), scene if source == "SCENE" else make_text("A"))
    elif source != "NONE":
        target.image = make_image("sunset", disc())
        target.image.source = {"STILL": "FILE"}.get(source, source)
    properties = shown().properties("DIFFBMP_PG_target")
    assert ("image" in properties) == (source not in ("SCENE", "OBJECT"))
    assert ("camera" in properties) == (source == "SCENE")
    assert ("object" in properties) == (source == "OBJECT")
    assert ("moving" in properties) == (source not in ("NONE", "STILL"))

    target.moving, target.aspect, target.transparent = True, "CUSTOM", True
    target.importance_source = "VERTEX"
    screen = shown()
    properties = screen.properties("DIFFBMP_PG_target")
    assert {"aspect_x", "focus_x", "importance_object", "importance_layer"} <= properties.keys()
    moving = "moving" in properties
    assert ("Animation" in screen.labels) == moving
    assert ("fps" in screen.properties("DIFFBMP_PG_clip")) == moving
    assert ("recording" in screen.properties("DIFFBMP_PG_fit")) != moving
    if moving:
        names = screen.labels
        assert names.index("Masks and Regions") < names.index("Animation")
        assert names.index("Animation") < names.index("Optimize")


def add_region() -> None:
    ops: Any = bpy.ops
    assert ops.diffbmp.add_region() == {"FINISHED"}


def make_stamps(scene: Any) -> Any:
    """Adds a stamp of each kind; the source of the last is deleted."""
    group = bpy.data.collections.new("twigs")
    cube, text, empty, curve = make_cube(), make_text("A"), bpy.data.objects.new("empty", None), make_curve()
    sources = [
        Source("disc", image=make_image("disc", disc())),
        Source("group", collection=group),
        Source("A", text="A"),
    ]
    sources += [Source(item.name, object=item) for item in (cube, text, empty, curve)]
    stamps = scene.diffbmp.stamps
    assert add_sources(stamps, [*sources, Source("gone", image=make_image("gone", disc()))]) == 8
    bpy.data.images.remove(bpy.data.images["gone"])
    return stamps


def make_curve() -> bpy.types.Object:
    return bpy.data.objects.new("curve", bpy.data.curves.new("curve", "CURVE"))


def test_stamps_of_every_kind() -> None:
    scene: Any = bpy.context.scene
    stamps = make_stamps(scene)
    screen = shown()
    icons = [item.values["icon"] for item in screen.items if item.kind == "label" and "icon" in item.values]
    assert {"IMAGE_DATA", "OUTLINER_COLLECTION", "OUTLINER_OB_FONT", "OUTLINER_OB_MESH"} <= set(icons)
    assert {"OUTLINER_OB_GROUP_INSTANCE", "OUTLINER_OB_CURVE", "ERROR"} <= set(icons)
    assert "Stamp Settings" in screen.labels
    assert len(screen.buttons("diffbmp.add_stamp_files")) == 1, "the large buttons are for an empty list"
    for index, stamp in enumerate(stamps.entries):
        stamps.active = index
        properties = shown().properties("DIFFBMP_PG_stamp")
        assert ("view" in properties) == bool(not stamp.image and not stamp.text)
        assert "limits" not in properties
    stamps.active = 99
    shown()


@pytest.mark.parametrize("mode", ["tint", "mix", "multiply", "original"])
def test_settings_of_a_stamp(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene: Any = bpy.context.scene
    stamps = make_stamps(scene)
    monkeypatch.setattr(THUMBNAILS, "icon", lambda stamp: 1)
    stamp = stamps.entries[0]
    stamps.active = 0
    stamp.own, stamp.alpha, stamp.mode, stamps.mode = True, "REMOVE", mode, mode
    stamp.limits.opaque, scene.diffbmp.limits.usage = True, "shares"
    screen = shown()
    properties = screen.properties("DIFFBMP_PG_stamp")
    assert {"group", "threshold", "mode", "share"} <= properties.keys()
    assert properties["share"].enabled
    assert (
        ("blend" in properties) == ("blend" in screen.properties("DIFFBMP_PG_stamps")) == (mode in ("mix", "multiply"))
    )
    assert "template_icon" in [item.kind for item in screen.items]


@pytest.mark.parametrize("source", ["none", "image", "alpha", "mask", "object", "collection"])
def test_regions(source: str) -> None:
    scene: Any = bpy.context.scene
    regions = scene.diffbmp.regions
    assert "Own Limits" not in shown().labels
    for _ in range(2):
        add_region()
    for area in (regions.overall, *(region.area for region in regions.entries)):
        area.source = source
    for full in (False, True):
        region = regions.entries[regions.active]
        region.own_limits = region.own_look = full
        region.look.palette = "given" if full else "target"
        region.look.colors.add()
        screen = shown()
        assert screen.labels.count("Own Limits") == screen.labels.count("Own Look") == 1
        shown_of_area = screen.properties("DIFFBMP_PG_mask_source").keys() - {"source"}
        assert (
            shown_of_area
            == {
                "none": set(),
                "image": {"image", "invert"},
                "alpha": {"image", "invert"},
                "mask": {"mask", "invert"},
                "object": {"object", "camera", "invert"},
                "collection": {"collection", "camera", "invert"},
            }[source]
        )
    regions.active = 5
    screen = shown()
    assert "Own Limits" not in screen.labels
    assert screen.buttons("diffbmp.remove_region")[0].reason == "There is no region to remove"


@pytest.mark.parametrize("free", [True, False])
def test_limits(free: bool) -> None:
    scene: Any = bpy.context.scene
    limits = scene.diffbmp.limits
    limits.free_rotation, limits.opaque = free, free
    names = shown().properties("DIFFBMP_PG_limits").keys()
    assert ("rotation_min" in names) == ("opacity_max" in names) == (not free)


@pytest.mark.parametrize("palette", ["any", "target", "given"])
def test_look(palette: str) -> None:
    scene: Any = make_scene()
    settings = scene.diffbmp
    settings.look.palette, settings.stamps.mode = palette, "original"
    for _ in range(2):
        screen = shown()
        assert ("palette_size" in screen.properties("DIFFBMP_PG_look")) == (palette == "target")
        assert ("A palette does not change Original Colors." in screen.text) == (palette != "any")
        assert len(screen.buttons("diffbmp.remove_color")) == (len(settings.look.colors) if palette == "given" else 0)
        settings.look.colors.add()
    assert all(button.values["region"] == -1 for button in screen.buttons("diffbmp.add_color"))
    (optimize,) = screen.buttons("diffbmp.optimize")
    assert optimize.reason == "", "it has colors"


def test_recipe_without_steering() -> None:
    scene: Any = make_scene()
    scene.diffbmp.fit.recipe = "paper"
    add_region()
    screen = shown()
    assert screen.text.count("The recipe Published uses none of this.") == 4
    assert not any(item.enabled for item in screen.properties("DIFFBMP_PG_limits").values())
    assert not any(item.enabled for item in screen.properties("DIFFBMP_PG_look").values())
