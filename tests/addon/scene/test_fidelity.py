"""Cycles' picture of a built layout is the engine's, measured against an independent compositor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
from diffbmp.operators.blender.images import read_image
from diffbmp.operators.scene.build import build_scene
from numpy.typing import NDArray

from tests.addon.support.compositor import composite, composite_transparent, psnr
from tests.addon.support.layouts import random_layout, write_layout


def render(scene: bpy.types.Scene, path: Path) -> NDArray[Any]:
    """The scene's 8-bit PNG as [H, W, 3] in 0..1."""
    return render_rgba(scene, path)[..., :3]


def render_rgba(scene: bpy.types.Scene, path: Path) -> NDArray[Any]:
    """The scene's 8-bit PNG as straight [H, W, 4] in 0..1."""
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    image = bpy.data.images.load(str(path))
    return read_image(image) / 255.0


@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("mode", ["tint", "mix", "multiply"])
def test_one_sample_equals_the_pixels_centers(tmp_path: Path, space: str, mode: str) -> None:
    layout, bitmaps = random_layout(60, space=space, mode=mode)
    write_layout(tmp_path / "layout", layout, bitmaps)
    scene = build_scene(tmp_path / "layout", "test", samples=1)
    picture = render(scene, tmp_path / "render.png")
    assert psnr(picture, composite(layout, bitmaps)) > 55.0


@pytest.mark.parametrize("space", ["display", "linear"])
def test_many_samples_equal_the_pixels_areas(tmp_path: Path, space: str) -> None:
    layout, bitmaps = random_layout(60, space=space, width=100, height=80)
    write_layout(tmp_path / "layout", layout, bitmaps)
    scene = build_scene(tmp_path / "layout", "test", samples=16)
    picture = render(scene, tmp_path / "render.png")
    assert psnr(picture, composite(layout, bitmaps, side=3)) > 50.0


def test_a_tall_canvas_is_seen_whole(tmp_path: Path) -> None:
    layout, bitmaps = random_layout(40, width=70, height=131)
    write_layout(tmp_path / "layout", layout, bitmaps)
    picture = render(build_scene(tmp_path / "layout", "test", samples=1), tmp_path / "render.png")
    assert picture.shape == (131, 70, 3)
    assert psnr(picture, composite(layout, bitmaps)) > 55.0


@pytest.mark.parametrize("space", ["display", "linear"])
def test_a_transparent_canvas_is_transparent_in_the_picture(tmp_path: Path, space: str) -> None:
    layout, bitmaps = random_layout(25, space=space, transparent=True)
    write_layout(tmp_path / "layout", layout, bitmaps)
    scene = build_scene(tmp_path / "layout", "test", samples=1)
    picture, expected = render_rgba(scene, tmp_path / "render.png"), composite_transparent(layout, bitmaps)
    alpha = expected[..., 3]
    assert alpha.min() == 0
    assert ((alpha > 0) & (alpha < 1)).mean() > 0.1
    assert psnr(picture[..., 3], alpha) > 55.0
    assert psnr(picture[..., :3] * picture[..., 3:], expected[..., :3] * alpha[..., None]) > 55.0
