"""The parts of all layered formats: layers, groups, merged layers, names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.export.layers.grouping import grouped
from backend.export.layers.sheets import FrameSheets, Layer, packed
from backend.export.layers.stack import Group, Stack, shortened, walked
from backend.export.layers.visibility import visible_areas
from backend.layouts.rendering import render_layout

from ..support.layers import make_layout, over, task

PATH = Path("unused.psd")


def composited(layers: list[Layer], width: int, height: int) -> NDArray[np.float64]:
    """Composites layers, front first: premultiplied RGBA."""
    canvas = np.zeros((height, width, 4))
    for layer in reversed(layers):
        over(canvas, layer.pixels, layer.left, layer.top, layer.opacity / 255)
    return canvas


def shown(layout: Any, templates: Any, width: int | None = None) -> NDArray[np.float64]:
    """The engine's picture, premultiplied RGBA."""
    straight = render_layout(layout, templates, width=width, transparent=True).transpose(1, 2, 0).astype(np.float64)
    straight[..., :3] *= straight[..., 3:]
    return straight


@pytest.mark.parametrize(
    "settings",
    [
        {"grouping": "none"},
        {"grouping": "depth", "band": 7},
        {"grouping": "stamp"},
        {"grouping": "region"},
        {"grouping": "stamp", "flatten": True, "most_layers": 20},
        {"grouping": "none", "flatten": True, "most_layers": 5},
        {"grouping": "none", "width": 201},
    ],
    ids=str,
)
def test_layers_together_are_the_picture(settings: dict[str, Any]) -> None:
    layout, templates = make_layout()
    export = task(layout, templates, PATH, **settings)
    stack = Stack(export)
    layers = list(stack.render(stack.items))
    assert [layer.item for layer in layers] == stack.items
    assert sorted(i for item in stack.items for i in item.primitives) == list(range(40))
    width, height = export.size
    difference = np.abs(composited(layers, width, height) - shown(layout, templates, width)) * 255
    # Each layer's 8 bits are half a level off at most; about four are seen in a pixel, and errors mostly cancel.
    assert difference.max() < 1.5
    assert difference.mean() < 0.25


def test_the_least_visible_layers_are_flattened() -> None:
    layout, templates = make_layout()
    export = task(layout, templates, PATH, grouping="none", flatten=True, most_layers=20)
    stack = Stack(export)
    assert stack.size <= 20
    alone = {item.primitives[0] for item in stack.items if len(item.primitives) == 1}
    areas = visible_areas(export, 0)
    most_seen = np.argsort(-areas)[:8]
    assert set(most_seen.tolist()) <= alone


def test_visible_areas_equal_the_loss_without_the_primitive() -> None:
    layout, templates = make_layout(count=6)
    areas = visible_areas(task(layout, templates, PATH), 0)
    # With all in white on black and one of them in black, the sum falls by what is seen of that one.
    layout.color[:] = 1.0
    layout.background = (0.0, 0.0, 0.0)
    for spec, item in zip(layout.templates, templates.items, strict=True):
        spec.mode, spec.blend = "tint", 0.0
        object.__setattr__(item, "mode", "tint")
    whole = float(render_layout(layout, templates)[0].sum(dtype=np.float64))
    for index in range(6):
        layout.color[:] = 1.0
        layout.color[0, index] = 0.0
        without = float(render_layout(layout, templates)[0].sum(dtype=np.float64))
        assert whole - without == pytest.approx(float(areas[index]), abs=0.02)


def test_boxes_hold_all_that_is_drawn() -> None:
    layout, templates = make_layout(count=60, width=64, height=64)
    export = task(layout, templates, PATH)
    sheets = FrameSheets(export, 0)
    for index in range(60):
        only = {
            name: getattr(layout, name)[:, [index]] for name in ("x", "y", "scale", "aspect", "rotation", "opacity")
        }
        fixed = {name: getattr(layout, name)[[index]] for name in ("template", "level", "region", "mirror", "locked")}
        one = type(layout)(**{**vars(layout), **only, **fixed, "color": layout.color[:, [index]]})
        one.opacity[:] = 1.0
        alpha = render_layout(one, templates, transparent=True)[3]
        rows, columns = np.nonzero(alpha)
        left, top, right, bottom = sheets.boxes[index].tolist()
        if len(rows):
            assert left <= columns.min()
            assert columns.max() < right
            assert top <= rows.min()
            assert rows.max() < bottom


def test_far_and_invisible_primitives_are_empty_layers() -> None:
    layout, templates = make_layout(count=4)
    layout.x[0, 0] = 1e6
    layout.opacity[0, 1] = 0.0
    layout.scale[0, 2] = 0.0
    layout.scale[0, 3] = 5_000.0
    stack = Stack(task(layout, templates, PATH, grouping="none"))
    far, hidden, small, large = stack.render(stack.items)
    assert far.pixels.size == 0
    assert (hidden.opacity, hidden.pixels.size > 0) == (0, True)
    assert small.pixels.size == 0
    assert large.pixels.shape[0] <= 2 * 64
    assert large.pixels.shape[1] <= 2 * 96


def test_opacity_is_exact_in_layer_and_pixels_together() -> None:
    layout, templates = make_layout(count=3)
    layout.opacity[0] = [1.0, 0.5, 0.001]
    stack = Stack(task(layout, templates, PATH, grouping="none"))
    layers = list(stack.render(stack.items))
    assert [layer.opacity for layer in layers] == [255, 128, 1]
    assert layers[2].pixels[..., 3].max() == pytest.approx(0.001 * 255 * 255, abs=1)


def test_groups_keep_the_order_of_what_overlaps() -> None:
    generator = np.random.default_rng(3)
    corner = generator.integers(0, 90, (200, 2))
    boxes = np.concatenate([corner, corner + generator.integers(1, 20, (200, 2))], 1)
    kinds = generator.integers(0, 4, 200)
    groups = grouped(kinds, boxes)
    order = [i for group in groups for i in group]
    assert sorted(order) == list(range(200))
    assert all(len(set(kinds[group].tolist())) == 1 for group in groups)
    place = np.argsort(order)
    for i in range(200):
        for j in range(i + 1, 200):
            apart = (boxes[i, 2:] <= boxes[j, :2]).any() or (boxes[j, 2:] <= boxes[i, :2]).any()
            assert apart or place[i] < place[j]
    assert len(groups) < 100
    apart = np.stack([np.arange(200) * 2, np.zeros(200), np.arange(200) * 2 + 1, np.ones(200)], 1).astype(np.int64)
    assert len(grouped(kinds, apart)) == 4
    assert grouped(np.zeros(0, int), np.zeros((0, 4), np.int64)) == []


def test_rectangles_do_not_overlap_on_a_sheet() -> None:
    generator = np.random.default_rng(4)
    sizes = generator.integers(0, 30, (150, 2))
    places, width, height = packed(sizes)
    taken = np.zeros((height, width), int)
    for (x, y), (w, h) in zip(places, sizes, strict=True):
        taken[y : y + h, x : x + w] += 1
    assert taken.max() == 1
    assert taken.sum() == sizes.prod(1).sum()
    assert taken.mean() > 0.7


def test_frames_are_groups() -> None:
    layout, templates = make_layout(count=5, frames=3)
    stack = Stack(task(layout, templates, PATH, grouping="stamp"))
    names = [(node.name, node.visible) for node in stack.nodes if isinstance(node, Group)]
    assert names == [("Frame 1", True), ("Frame 2", False), ("Frame 3", False)]
    assert len(list(walked(stack.nodes))) == stack.size
    layers = list(stack.render(stack.items))
    only = [layer for layer in layers if layer.item.frame == 1]
    second = shown(layout.only([1]), templates)
    assert np.abs(composited(only, 96, 64) - second).max() * 255 < 1.5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("leaf", "leaf 012"),
        ("", "stamp 012"),
        ("a/b\\c\n\td", "a/b\\c d 012"),
        ("\N{HERB}" * 300, "\N{HERB}" * 125 + " 012"),
        ("x" * 300, "x" * 251 + " 012"),
    ],
)
def test_names(name: str, expected: str) -> None:
    result = shortened(name, " 012")
    assert result == expected
    assert len(result.encode("utf-16-le")) // 2 <= 255


def test_an_empty_layout_has_no_layers() -> None:
    layout, templates = make_layout(count=0)
    for grouping in ("none", "depth", "stamp"):
        stack = Stack(task(layout, templates, PATH, grouping=grouping))
        assert list(stack.render(stack.items)) == []
