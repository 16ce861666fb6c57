"""Animations made of still layouts, with a stand-in for the backend's command line."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.output import animate
from diffbmp.operators.output.animate import animate_arguments
from diffbmp.operators.session.notice import NOTICE

from tests.addon.support.layouts import random_layout, write_layout

LEAVES_A_LAYOUT = """
import pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
out.mkdir()
(out / "layout.json").write_text(" ".join(sys.argv[1:]))
"""
FAILS = "import sys; sys.exit('diffbmp: The layouts have canvases of two sizes: fit one of them again')"


def pretend(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces the backend by a program."""
    monkeypatch.setattr(animate, "backend_call", lambda *arguments: [sys.executable, "-c", program, *arguments])


def make_layouts(folder: Path) -> bpy.types.Scene:
    scene = bpy.context.scene
    for name in ("first", "second"):
        write_layout(folder / name, *random_layout(5))
    scene.diffbmp.build.layout = str(folder / "first")
    return scene


def test_arguments_of_the_backend(tmp_path: Path) -> None:
    scene = make_layouts(tmp_path)
    settings = scene.diffbmp.animate
    out, first, second = tmp_path / "out", str(tmp_path / "first"), str(tmp_path / "second")
    settings.order, settings.frames = "center", 30
    assert animate_arguments(scene, out) == (
        ["animate", "growth", first, "--out", str(out), "--frames", "30", "--easing", "smooth", "--order", "center"]
    )
    settings.kind, settings.other, settings.hold, settings.easing = "transition", second, 5, "in-out"
    told = animate_arguments(scene, out)
    assert told[:6] == ["animate", "transition", first, second, "--out", str(out)]
    assert told[6:] == ["--frames", "30", "--easing", "in-out", "--hold", "5"]
    settings.kind = "recording"
    told = animate_arguments(scene, out)
    assert told[:5] == ["animate", "recording", first, "--out", str(out)]
    assert told[-2:] == ["--hold", "5"]


def test_the_animation_is_what_is_built_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(LEAVES_A_LAYOUT, monkeypatch)
    scene = make_layouts(tmp_path)
    assert bpy.ops.diffbmp.animate() == {"FINISHED"}
    layout = Path(scene.diffbmp.build.layout)
    assert (layout / "layout.json").read_text().startswith(f"animate growth {tmp_path / 'first'} --out {layout}")
    assert NOTICE.text == "The animation is ready: build it"
    # The next animation starts from the same picture, not from the animation.
    assert animate_arguments(scene, tmp_path)[2] == str(tmp_path / "first")


def test_errors_of_the_backend_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(FAILS, monkeypatch)
    scene = make_layouts(tmp_path)
    with pytest.raises(RuntimeError, match="could not be made: diffbmp: The layouts have canvases of two sizes"):
        bpy.ops.diffbmp.animate()
    assert scene.diffbmp.build.layout == str(tmp_path / "first")
    assert NOTICE.is_error


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    scene = bpy.context.scene
    with pytest.raises(RuntimeError, match="There is no layout yet: optimize first"):
        bpy.ops.diffbmp.animate()
    make_layouts(tmp_path)
    scene.diffbmp.animate.kind = "transition"
    with pytest.raises(RuntimeError, match="Choose the folder of the layout that the stamps move to"):
        bpy.ops.diffbmp.animate()
    scene.diffbmp.animate.other = str(tmp_path)
    with pytest.raises(UserError, match="holds no layout: choose another folder"):
        animate_arguments(scene, tmp_path / "out")
