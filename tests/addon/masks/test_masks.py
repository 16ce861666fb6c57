"""Masks as pixels, against shapes whose area is known."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.masks.still import image_mask, mask_pixels
from numpy.typing import NDArray

from tests.addon.support.census import census
from tests.addon.support.pictures import make_image
from tests.addon.support.scenes import add_square, make_mask

FRAME = 1

CORNER = 0.44
"""Greatest error of 4 x 4 samples: at a corner, where each side is off by a quarter of a pixel."""


def coverage(width: int, height: int, low: float, high: float) -> NDArray[np.float64]:
    """The exact cover 0..1 of a mask's square from low to high, its coordinates spanning the longer side."""
    longer = max(width, height)
    sides = []
    for size in (height, width):
        start, end = (size / 2 + (edge - 0.5) * longer for edge in (low, high))
        left = np.arange(size)
        sides.append(np.clip(np.minimum(left + 1, end) - np.maximum(left, start), 0, 1))
    return np.outer(*sides)


@pytest.mark.parametrize("size", [(64, 64), (96, 48), (48, 96), (50, 33), (3, 7), (700, 500)])
def test_a_square_covers_its_exact_area(size: tuple[int, int]) -> None:
    mask = make_mask("square")
    add_square(mask.layers[0], 0.2, 0.8)
    before = census()
    found = mask_pixels(mask, *size, FRAME)
    assert census() == before
    assert found.shape == size[::-1]
    assert found.dtype == np.uint8
    exact = coverage(*size, 0.2, 0.8)
    samples = 4 if max(size) <= 512 else 2
    assert np.abs(found / 255 - exact).max() <= (CORNER if samples == 4 else 0.75)
    assert abs(found.mean() / 255 - exact.mean()) <= 2 / samples / min(size)
    np.testing.assert_array_equal(found[exact == 0], 0)
    np.testing.assert_array_equal(found[exact == 1], 255)


def test_slanted_edges_are_anti_aliased() -> None:
    mask = make_mask("diamond")
    add_square(mask.layers[0], 0.1, 0.9, turned=True)
    found = mask_pixels(mask, 64, 64, FRAME)
    assert 100 < ((found > 0) & (found < 255)).sum() < 300
    assert abs(found.mean() / 255 - 0.32) < 0.003


def test_up_is_up_and_right_is_right() -> None:
    mask = make_mask("corner")
    add_square(mask.layers[0], 0.6, 0.9)
    found = mask_pixels(mask, 40, 40, FRAME)
    rows, columns = np.nonzero(found)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 15, 24, 35)


def test_feather_softens() -> None:
    mask = make_mask("soft")
    spline = add_square(mask.layers[0], 0.3, 0.7)
    hard = mask_pixels(mask, 64, 64, FRAME)
    for point in spline.points:
        point.weight = 0.5
    soft = mask_pixels(mask, 64, 64, FRAME)
    assert hard[32, 10] == 0
    assert soft.sum() > hard.sum()
    ramp = soft[32, :20].astype(int)
    assert len(np.unique(ramp)) > 5
    assert (np.diff(ramp) >= 0).all()


def test_layers_are_joined_and_subtracted() -> None:
    mask = make_mask("two")
    add_square(mask.layers[0], 0.1, 0.6)
    second = mask.layers.new(name="second")
    add_square(second, 0.4, 0.9)
    both = mask_pixels(mask, 64, 64, FRAME)
    exact = np.maximum(coverage(64, 64, 0.1, 0.6), coverage(64, 64, 0.4, 0.9))[::-1]
    assert np.abs(both / 255 - exact).max() <= CORNER
    second.blend = "SUBTRACT"
    less = mask_pixels(mask, 64, 64, FRAME)
    exact = (coverage(64, 64, 0.1, 0.6) * (1 - coverage(64, 64, 0.4, 0.9)))[::-1]
    assert np.abs(less / 255 - exact).max() <= CORNER
    second.hide_render = True
    assert mask_pixels(mask, 64, 64, FRAME).sum() > less.sum()


def test_a_mask_moves_with_the_frame() -> None:
    mask = make_mask("fading")
    layer = mask.layers[0]
    add_square(layer, 0.2, 0.8)
    for frame, alpha in ((1, 1.0), (11, 0.0)):
        layer.alpha = alpha
        layer.keyframe_insert("alpha", frame=frame)
    bpy.context.scene.frame_set(1)
    before = layer.alpha
    assert mask_pixels(mask, 16, 16, 1)[8, 8] == 255
    assert 100 < mask_pixels(mask, 16, 16, 6)[8, 8] < 155
    with pytest.raises(UserError, match="The mask fading is empty in frame 11: draw a closed spline"):
        mask_pixels(mask, 16, 16, 11)
    assert (layer.alpha, bpy.context.scene.frame_current) == (before, 1)


def test_a_change_is_seen_at_once() -> None:
    mask = make_mask("changing")
    spline = add_square(mask.layers[0], 0.2, 0.8)
    first = mask_pixels(mask, 32, 32, FRAME)
    mask.layers[0].splines.remove(spline)
    add_square(mask.layers[0], 0.4, 0.6)
    assert mask_pixels(mask, 32, 32, FRAME).sum() < first.sum() / 4


def test_an_empty_mask_is_named_and_leaves_nothing_behind() -> None:
    mask = make_mask("void")
    before = census()
    with pytest.raises(UserError, match="The mask void is empty in frame 1"):
        mask_pixels(mask, 16, 16, FRAME)
    assert census() == before


def test_an_existing_render_is_kept() -> None:
    scene = bpy.context.scene
    scene.render.resolution_x = scene.render.resolution_y = 8
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    bpy.ops.render.render()
    mask = make_mask("square")
    add_square(mask.layers[0], 0.2, 0.8)
    before = census()
    mask_pixels(mask, 16, 16, FRAME)
    assert "Render Result" in bpy.data.images
    assert census() == before
    assert (scene.render.resolution_x, bpy.context.scene) == (8, scene)


def test_images_as_masks() -> None:
    pixels = np.zeros((2, 3, 4), np.float32)
    pixels[0] = (1, 1, 1, 1), (1, 0, 0, 1), (0, 0, 0, 1)
    pixels[1] = (1, 1, 1, 0.2), (0, 1, 0, 0.6), (1, 1, 1, 0)
    image = make_image("paint", pixels)
    np.testing.assert_array_equal(image_mask(image, "alpha"), [[255, 255, 255], [51, 153, 0]])
    np.testing.assert_array_equal(image_mask(image, "brightness"), [[255, 76, 0], [51, 90, 0]])
