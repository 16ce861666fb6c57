"""Built scenes."""

from __future__ import annotations

from pathlib import Path

import bpy
from diffbmp.backend.job.layout import Layout
from diffbmp.operators.scene.build import Form, build_scene
from diffbmp.operators.scene.storage import stored_layout

from tests.addon.support.layouts import random_layout, write_layout


def built(folder: Path, count: int = 30, form: Form | None = None, space: str = "display") -> bpy.types.Scene:
    write_layout(folder / "layout", *random_layout(count, space=space))
    scene = build_scene(folder / "layout", "sunset", 1, form)
    bpy.context.window.scene = scene
    return scene


def layout_of(scene: bpy.types.Scene) -> Layout:
    layout = stored_layout(scene)
    assert layout is not None
    return layout
