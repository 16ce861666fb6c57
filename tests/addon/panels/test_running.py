"""The panels while a task runs, and of its result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from diffbmp.backend.job import Exporting, Progress
from diffbmp.operators.fit import recover
from diffbmp.operators.fit.optimize import DIFFBMP_OT_optimize
from diffbmp.operators.fit.preview import PREVIEW
from diffbmp.operators.scene.build import Form, build_scene
from diffbmp.operators.scene.storage import LIVE, SOURCE
from diffbmp.operators.session.notice import NOTICE
from diffbmp.operators.session.slots import EXPORT, RUN

from tests.addon.support.clip_layouts import clip_layout
from tests.addon.support.layout import shown, why_not
from tests.addon.support.layouts import random_layout, write_layout
from tests.addon.support.scenes import make_scene

Patch = pytest.MonkeyPatch

PROGRESS = Progress(step=40, total=2000, loss=0.0123, psnr=21.4, seconds_left=200.0)
CLIP_PROGRESS = Progress(step=40, total=2000, loss=0.0, psnr=20.0, seconds_left=200.0, frame=7)


@pytest.fixture(autouse=True)
def _no_notice() -> Iterator[None]:
    NOTICE.tell("")
    yield
    NOTICE.tell("")


def run_of(state: str, progress: Progress | None = None) -> SimpleNamespace:
    """Returns a task in a state."""
    doing, out = "Reading stamp 2 of 3", Path("a.psd")
    return SimpleNamespace(state=state, progress=progress, doing=doing, out=out, exporting=None)


def built(folder: Path, clip: bool = False, form: str = "PLANES") -> bpy.types.Scene:
    write_layout(folder, *(clip_layout(5, 6) if clip else random_layout(5)))
    return build_scene(folder, "sunset", samples=1, form=Form(form))


@pytest.mark.parametrize("progress", [None, PROGRESS, CLIP_PROGRESS])
@pytest.mark.parametrize("state", ["collecting", "running", "paused", "cancelling", "failed"])
def test_optimization(state: str, progress: Progress | None, monkeypatch: Patch) -> None:
    make_scene()
    monkeypatch.setattr(RUN, "task", run_of(state, progress))
    monkeypatch.setattr(type(PREVIEW), "icon", 1)
    screen = shown()
    said = {"paused": "Paused", "cancelling": "Cancelling ...", "collecting": "Reading stamp 2 of 3 ..."}
    if progress:
        said["collecting"] = said["running"] = said["failed"] = "40 / 2,000, 3 min left"
        assert {"loss 0.0123, 21.4 dB", "frame 7, 20.0 dB"} & set(screen.texts)
    assert said.get(state, "Starting ...") in screen.texts
    (pause,) = screen.buttons("diffbmp.pause")
    assert pause.text == ("Continue" if state == "paused" else "Pause")
    assert (pause.reason == "") == (state in ("running", "paused"))
    assert not screen.buttons("diffbmp.optimize")
    assert screen.buttons("diffbmp.cancel")[0].reason == ""
    assert screen.buttons("diffbmp.show_preview")
    settings = {name for name, item in screen.properties("DIFFBMP_PG_fit").items() if item.enabled}
    assert settings == {"live"}, "all others are grayed out meanwhile"
    assert bool(screen.buttons("diffbmp.add_region")[0].reason) == (state == "collecting")
    assert why_not(DIFFBMP_OT_optimize, screen.context) == "An optimization is running already"


@pytest.mark.parametrize("state", ["collecting", "running", "counting", "cancelling"])
def test_export(state: str, monkeypatch: Patch, tmp_path: Path) -> None:
    scene: Any = bpy.context.scene
    assert {button.reason for button in shown().buttons("diffbmp.export_psd")} == {
        "There is no layout yet: optimize first, or choose a layout's folder"
    }
    task = run_of("running" if state == "counting" else state)
    if state == "counting":
        task.exporting = Exporting(3, 4)
    monkeypatch.setattr(EXPORT, "task", task)
    text = {"collecting": "Reading stamp 2 of 3 ...", "running": "Starting ...", "counting": "a.psd, 75 %"}
    for place in (scene, built(tmp_path / "layout")):
        screen = shown(place)
        assert text.get(state, "Cancelling ...") in screen.texts
        assert [item.reason for item in screen.buttons("diffbmp.cancel_export")] == [""]
        assert not screen.buttons("diffbmp.export_psd")


def test_notice() -> None:
    names = {"install": "preferences.addon_show", "use_cpu": "diffbmp.mend", "halve_size": "diffbmp.mend"}
    for action in ("", "show_log", "allow_online", *names):
        NOTICE.tell("The card's memory is too small for this canvas", is_error=True, action=action)
        for width in (1, 150, 500):
            screen = shown(width=width)
            assert NOTICE.text in screen.text
            assert screen.buttons("diffbmp.show_log")
            assert screen.buttons("diffbmp.copy_report")
            assert action not in names or screen.buttons(names[action])
    NOTICE.tell("Done after 100 steps")
    screen = shown()
    assert NOTICE.text in screen.text
    assert not screen.buttons("diffbmp.copy_report")


def test_interrupted_optimization_is_offered(monkeypatch: Patch, tmp_path: Path) -> None:
    assert not shown().buttons("diffbmp.recover")
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "layout.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(recover, "interrupted", lambda scene: tmp_path)
    screen = shown()
    assert "An optimization of this scene was interrupted." in screen.text
    assert [button.values["use"] for button in screen.buttons("diffbmp.recover")] == [True, False]


@pytest.mark.parametrize("kind", ["still", "clip", "dense", "dense clip"])
def test_result(kind: str, tmp_path: Path, monkeypatch: Patch) -> None:
    source: Any = make_scene()
    result = built(tmp_path / "layout", "clip" in kind, "DENSE" if "dense" in kind else "PLANES")
    result[SOURCE] = source.name
    moves = "clip" in kind
    source.diffbmp.build.scene = result
    for animation in ("growth", "transition", "recording"):
        source.diffbmp.animate.kind = animation
        screen = shown(source)
        assert screen.buttons("diffbmp.show_scene")[0].values["name"] == result.name
        assert bool(screen.buttons("diffbmp.render_animation")) == moves
    screen = shown(result)
    assert screen.labels == ["DiffBMP", "Continue", "Rebuild", "Export"]
    assert screen.buttons("diffbmp.show_scene")[0].text == f"Back to {source.name}"
    assert bool(screen.buttons("diffbmp.render_animation")) == moves
    assert bool(screen.buttons("diffbmp.make_editable")) == ("dense" in kind)
    assert [button.values["action"] for button in screen.buttons("diffbmp.lock")] == ["LOCK", "UNLOCK", "SELECT"]
    assert all(button.reason == "" for button in screen.buttons("diffbmp.export_psd"))

    monkeypatch.setattr(RUN, "task", run_of("running", PROGRESS))
    monkeypatch.setattr(RUN, "scene", result.session_uid)
    screen = shown(result)
    assert screen.buttons("diffbmp.rebuild")[0].reason.startswith("An optimization continues from this scene")
    assert screen.buttons("diffbmp.cancel")
    monkeypatch.undo()

    bpy.data.scenes.remove(source)
    screen = shown(result)
    assert not screen.buttons("diffbmp.show_scene")
    assert screen.buttons("diffbmp.continue_fit")[0].reason.startswith(
        "The scene with the target and the stamps is gone"
    )


def test_live_scene(monkeypatch: Patch) -> None:
    source: Any = make_scene()
    live = bpy.data.scenes.new("DiffBMP Live")
    live[LIVE] = source
    screen = shown(live)
    assert screen.labels == ["DiffBMP"]
    assert screen.buttons("diffbmp.show_scene")[0].values["name"] == source.name
    assert screen.buttons("diffbmp.remove_live")[0].reason == ""
    monkeypatch.setattr(RUN, "task", run_of("running", PROGRESS))
    assert shown(live).buttons("diffbmp.pause")
    monkeypatch.undo()
    bpy.data.scenes.remove(source)
    assert not shown(live).buttons("diffbmp.show_scene")
