"""Cycles' pictures of a built clip are the engine's in every frame, whichever form it has."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from diffbmp.operators.blender.images import read_image
from diffbmp.operators.scene.build import Form, build_scene

from tests.addon.support.clip_layouts import clip_layout
from tests.addon.support.compositor import composite, psnr
from tests.addon.support.layouts import Array, write_layout

FRAMES = 12
CUT = 7


def render_frames(scene: bpy.types.Scene, numbers: list[int], folder: Path) -> list[Array]:
    """The 8-bit PNGs of some of a scene's frames as [H, W, 3] in 0..1."""
    bpy.context.window.scene = scene  # of another one, only the first frame would be rendered
    pictures = []
    for number in numbers:
        scene.frame_set(number)
        scene.render.filepath = str(folder / f"{number:04d}.png")
        bpy.ops.render.render(write_still=True, scene=scene.name)
        pictures.append(read_image(bpy.data.images.load(scene.render.filepath))[..., :3] / 255.0)
    return pictures


@pytest.mark.parametrize(("form", "tolerance"), [("PLANES", 0.0), ("DENSE", 0.0)])
@pytest.mark.parametrize("space", ["display", "linear"])
def test_each_form_shows_the_engines_pictures(tmp_path: Path, form: str, tolerance: float, space: str) -> None:
    layout, bitmaps = clip_layout(30, FRAMES, cut=CUT, relocating=0.3, step=2, start=5, space=space, mode="mix")
    write_layout(tmp_path / "layout", layout, bitmaps)
    scene = build_scene(tmp_path / "layout", "film", 1, Form(form, tolerance))
    chosen = [0, 3, 4, CUT - 1, CUT, FRAMES - 1]
    pictures = render_frames(scene, [layout.frames[index] for index in chosen], tmp_path)
    for index, picture in zip(chosen, pictures, strict=True):
        assert psnr(picture, composite(layout, bitmaps, frame=index)) > 50.0, index


def test_thinned_keys_cost_little_quality(tmp_path: Path) -> None:
    layout, bitmaps = clip_layout(60, FRAMES, relocating=0.2)
    write_layout(tmp_path / "layout", layout, bitmaps)
    quality = {}
    truth = [composite(layout, bitmaps, frame=index) for index in (2, 9)]
    for tolerance in (0.0, 0.25):
        scene = build_scene(tmp_path / "layout", "film", 1, Form("PLANES", tolerance))
        pictures = render_frames(scene, [layout.frames[index] for index in (2, 9)], tmp_path)
        quality[tolerance] = min(psnr(*pair) for pair in zip(pictures, truth, strict=True))
    assert quality[0.0] > 50.0
    assert quality[0.25] > 40.0
