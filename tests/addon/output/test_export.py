"""Exports from Blender: in each format, with edits by hand, from scripts, canceled."""

from __future__ import annotations

import json
import time
from pathlib import Path

import bpy
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.blender.folders import user_folder
from diffbmp.operators.blender.images import read_file
from diffbmp.operators.install import features
from diffbmp.operators.output import export, export_options
from diffbmp.operators.process.warm_worker import WARM
from diffbmp.operators.result.build import layout_folder
from diffbmp.operators.result.ownership import planes_of
from diffbmp.operators.scene.build import Form, build_scene
from diffbmp.operators.session.notice import NOTICE

from tests.addon.support.clip_layouts import clip_layout
from tests.addon.support.layouts import write_layout
from tests.addon.support.results import built, layout_of


@pytest.fixture(scope="module", autouse=True)
def _one_worker() -> object:
    yield
    WARM.clear()


def test_every_format_is_exported_from_a_script(tmp_path: Path) -> None:
    scene = built(tmp_path)
    for name, file in (
        ("psd", "a.psd"),
        ("psd", "b.psb"),
        ("ora", "a.ora"),
        ("layers", "layers"),
        ("png", "a.png"),
        ("svg", "a.svg"),
        ("movie", "a.gif"),
        ("json", "a.json"),
    ):
        assert getattr(bpy.ops.diffbmp, f"export_{name}")(filepath=str(tmp_path / file)) == {"FINISHED"}, NOTICE.text
        assert (tmp_path / file).exists(), file
        assert f"Exported {tmp_path / file}" in NOTICE.text
    assert (tmp_path / "a.psd").read_bytes()[:6] == b"8BPS\x00\x01"
    assert (tmp_path / "b.psb").read_bytes()[:6] == b"8BPS\x00\x02"
    layers = json.loads((tmp_path / "layers" / "layers.json").read_text(encoding="utf-8"))["layers"]
    assert len(layers) == layout_of(scene).count
    assert not list(user_folder("jobs").glob("export-*"))
    assert not list(tmp_path.glob(".*"))


def test_planes_that_were_moved_are_exported_where_they_are(tmp_path: Path) -> None:
    scene = built(tmp_path)
    plane = planes_of(scene)[0]
    plane.location.x += 0.1
    bpy.data.objects.remove(planes_of(scene)[1])
    assert bpy.ops.diffbmp.export_json(filepath=str(tmp_path / "x")) == {"FINISHED"}
    data = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    stored = layout_of(scene)
    assert len(data["primitives"]) == stored.count - 1
    places = [primitive["x"][0] for primitive in data["primitives"]]
    assert min(abs(x - stored.x[0, plane["diffbmp_row"]] - 10.0) for x in places) < 1e-3


def test_the_chosen_layout_is_exported_at_a_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_layout(tmp_path / "layout", *clip_layout(10, 3))
    scene = bpy.context.scene
    with pytest.raises(RuntimeError, match="There is no layout yet"):
        bpy.ops.diffbmp.export_png(filepath=str(tmp_path / "x.png"))
    scene.diffbmp.build.layout = str(tmp_path / "layout")
    assert bpy.ops.diffbmp.export_png(filepath=str(tmp_path / "x.png"), scale=2.0, clip="files") == {"FINISHED"}
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["x_0001.png", "x_0002.png", "x_0003.png"]
    assert read_file(tmp_path / "x_0002.png").shape[:2] == (240, 320)
    assert bpy.ops.diffbmp.export_png(filepath=str(tmp_path / "y.png"), use_range=True, first_frame=3) == {"FINISHED"}
    assert (tmp_path / "y.png").is_file()
    with pytest.raises(RuntimeError, match="There is no frame from 7"):
        bpy.ops.diffbmp.export_png(filepath=str(tmp_path / "z.png"), use_range=True, first_frame=7)
    monkeypatch.setattr(export_options, "MAX_WIDTH", 300)
    with pytest.raises(RuntimeError, match=r"has 320 px, but it can have 300: choose a scale of 1\.88 or less"):
        bpy.ops.diffbmp.export_png(filepath=str(tmp_path / "z.png"), scale=2.0)
    assert not (tmp_path / "z.png").exists()


def test_a_clip_that_was_built_is_exported_with_its_frames(tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", *clip_layout(10, 3))
    scene = build_scene(tmp_path / "layout", "clip", 1, Form("PLANES"))
    bpy.context.window.scene = scene
    bpy.data.objects.remove(planes_of(scene)[0])
    assert bpy.ops.diffbmp.export_json(filepath=str(tmp_path / "x.json")) == {"FINISHED"}
    data = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert (len(data["primitives"]), data["frames"]) == (9, [1, 2, 3])


def test_a_canceled_export_leaves_what_was_there(tmp_path: Path) -> None:
    scene = built(tmp_path, 200)
    path = tmp_path / "x.psd"
    path.write_text("mine")
    folder = Path(export.new_job_folder("export"))
    from diffbmp.backend.job import ExportSettings
    from diffbmp.operators.install.environment import backend_call
    from diffbmp.operators.session.logs import worker_log

    settings = ExportSettings(width=6000)
    run = export.ExportRun(
        WARM.take(backend_call("worker"), worker_log()), folder, path, export.export_steps(scene, folder, settings)
    )
    end = time.monotonic() + 60
    while run.exporting is None and run.active and time.monotonic() < end:
        run.update()
        time.sleep(0.01)
    run.cancel()
    while run.active:
        run.update()
        time.sleep(0.01)
    run.worker.close()
    run.close()
    assert (run.state, run.message) == ("cancelled", "Cancelled: nothing was written")
    assert path.read_text() == "mine"
    assert not list(tmp_path.glob(".*"))
    assert not folder.exists()


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    built(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="cannot be written to"):
        bpy.ops.diffbmp.export_png(filepath=str(tmp_path / "file" / "x.png"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    with pytest.raises(RuntimeError, match="holds other files: choose another name"):
        bpy.ops.diffbmp.export_layers(filepath=str(tmp_path / "full"))
    assert (tmp_path / "full" / "mine.txt").is_file()


def test_a_missing_layout_is_named(tmp_path: Path) -> None:
    bpy.context.scene.diffbmp.build.layout = str(tmp_path / "gone")
    with pytest.raises(UserError, match="holds no layout"):
        layout_folder(bpy.context.scene.diffbmp.build.layout)
    with pytest.raises(RuntimeError, match="holds no layout"):
        bpy.ops.diffbmp.export_psd(filepath=str(tmp_path / "x.psd"))


def test_a_format_that_needs_packages_says_so_before_the_file_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bpy.context.preferences.addons["diffbmp"].preferences.python = ""
    monkeypatch.setattr(features, "_has", lambda package: False)
    built(tmp_path)
    for context in ("INVOKE_DEFAULT", "EXEC_DEFAULT"):
        with pytest.raises(RuntimeError, match="A PSD file needs psd-tools and Pillow: press Install"):
            bpy.ops.diffbmp.export_psd(context, filepath=str(tmp_path / "x.psd"))
        assert (NOTICE.is_error, NOTICE.action) == (True, "install")
        NOTICE.tell("")


def test_each_format_shows_existing_options() -> None:
    known = set(export_options.ExportOptions.__annotations__)
    for kind in export.EXPORTS:
        assert set(kind.shown) <= known
        assert set(kind.shown)
    assert not hasattr(bpy.types.Operator, "shown")  # so nothing of Blender's own is hidden
    assert not hasattr(bpy.types.Operator, "endings")
