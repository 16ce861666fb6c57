"""SVGs, read by an XML parser and drawn by a few lines of numpy."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from backend.export import export
from backend.export.base import Cancelled
from backend.export.formats.svg import placing_matrices
from backend.job import ExportSettings, TemplateSpec
from backend.job.layout import Layout
from backend.layouts.rendering import render_layout, scaled_arrays
from backend.templates import Template, Templates

from ..support.layers import make_layout, make_templates

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
LABEL = "{http://www.inkscape.org/namespaces/inkscape}label"

Floats = NDArray[np.float64]


def written(path: Path, layout: Layout, templates: Templates, **settings: Any) -> Xml.Element:
    export(layout, templates, path, ExportSettings(**{"grouping": "none", "threads": 1, **settings}))
    return Xml.parse(path).getroot()


def stamp_pixels(image: Xml.Element) -> NDArray[np.uint8]:
    head, data = image.attrib[HREF].split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.replace("matrix(", "").replace(")", "").split()]


def sampled(pixels: Floats, u: Floats, v: Floats) -> Floats:
    """Bilinear, zero outside. u, v: in pixels, (0, 0) = the corner of the first one."""
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    padded[..., 3] = np.pad(pixels[..., 3], 1)
    height, width = padded.shape[:2]
    u, v = np.clip(u + 0.5, 0, width - 1.001), np.clip(v + 0.5, 0, height - 1.001)
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    fu, fv = (u - left)[..., None], (v - top)[..., None]
    upper = padded[top, left] * (1 - fu) + padded[top, left + 1] * fu
    lower = padded[top + 1, left] * (1 - fu) + padded[top + 1, left + 1] * fu
    return np.asarray(upper * (1 - fv) + lower * fv)


def drawn(root: Xml.Element, width: int, height: int) -> Floats:
    """The picture [h, w, 3] of an SVG over its background; as many units as pixels."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    images = {i.attrib["id"]: i for i in root.iter(f"{SVG}image")}
    filters = {f.attrib["id"]: numbers(f[0].attrib["values"]) for f in root.iter(f"{SVG}filter")}
    fill = root.find(f"{SVG}rect").attrib["fill"]  # type: ignore[union-attr]
    canvas = np.broadcast_to(np.array([int(fill[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0, (height, width, 3))
    for use in root.iter(f"{SVG}use"):
        if use.get("display") == "none":
            continue
        a, b, c, d, e, f = numbers(use.attrib["transform"])
        inverse = np.linalg.inv(np.array([[a, c, e], [b, d, f], [0, 0, 1]]))
        u, v = (inverse[row, 0] * x + inverse[row, 1] * y + inverse[row, 2] for row in (0, 1))
        image = images[use.attrib[HREF][1:]]
        pixels = stamp_pixels(image) / 255.0
        left, top, across, down = (float(image.attrib[name]) for name in ("x", "y", "width", "height"))
        sample = sampled(pixels, (u - left) / across * pixels.shape[1], (v - top) / down * pixels.shape[0])
        if "filter" in use.attrib:
            matrix = np.array(filters[use.attrib["filter"][5:-1]]).reshape(4, 5)
            sample = sample @ matrix[:, :4].T + matrix[:, 4]
        alpha = sample[..., 3:] * float(use.attrib["opacity"])
        canvas = sample[..., :3].clip(0, 1) * alpha + canvas * (1 - alpha)
    return np.asarray(canvas)


@pytest.mark.parametrize("settings", [{}, {"grouping": "depth", "band": 7}], ids=str)
def test_an_svg_looks_like_the_layout(tmp_path: Path, settings: dict[str, Any]) -> None:
    layout, templates = make_layout(count=30, width=72, height=54)
    root = written(tmp_path / "a.svg", layout, templates, **settings)
    shown = render_layout(layout, templates)[:3].transpose(1, 2, 0).astype(np.float64)
    difference = np.abs(drawn(root, 72, 54) - shown) * 255
    assert difference.max() < 0.6  # of the background's 8 bits, half of it
    assert {image.attrib["preserveAspectRatio"] for image in root.iter(f"{SVG}image")} == {"none"}
    assert {item.attrib["color-interpolation-filters"] for item in root.iter(f"{SVG}filter")} == {"sRGB"}


def test_corners_are_where_the_conventions_say() -> None:
    layout, templates = make_layout(count=50)
    for index, matrix in enumerate(placing_matrices(layout, templates)):
        height, width = templates.items[layout.template[index]].rgba.shape[:2]
        longer = max(width, height)
        x, y, scale, aspect, rotation = (
            float(getattr(layout, name)[0, index]) for name in ("x", "y", "scale", "aspect", "rotation")
        )
        for u, v in ((0, 0), (width, 0), (0, height), (width, height)):
            across, down = (2 * u - width) / longer, (2 * v - height) / longer
            turned = complex(
                (-across if layout.mirror[index] else across) * scale * aspect**0.5, down * scale / aspect**0.5
            )
            place = complex(x, y) + turned * complex(np.cos(rotation), np.sin(rotation))
            found = matrix[:2] * u + matrix[2:4] * v + matrix[4:]
            assert found == pytest.approx((place.real, place.imag), abs=1e-3)


@pytest.mark.parametrize("width", [0, 24, 400])
def test_stamps_are_embedded_on_the_levels_that_are_needed(tmp_path: Path, width: int) -> None:
    layout, templates = make_layout(count=30, width=96, height=64)
    root = written(tmp_path / "a.svg", layout, templates, width=width)
    images = {image.attrib["id"]: image for image in root.iter(f"{SVG}image")}
    used = set()
    for use in root.iter(f"{SVG}use"):
        index = int(use.attrib["id"].split("_")[-1]) - 1
        number = int(layout.template[index])
        level = scaled_arrays(layout, templates, width or 96)[1].level[index].tolist()
        name = f"stamp-{number}-{level[0]}-{level[1]}"
        used.add(name)
        assert use.attrib[HREF] == f"#{name}"
        pixels, bitmap = stamp_pixels(images[name]), templates.bitmap(number, *level)
        # With a border, so that edges are as soft as the engine's.
        np.testing.assert_array_equal(pixels[1:-1, 1:-1], bitmap)
        assert pixels[..., 3].sum(dtype=int) == bitmap[..., 3].sum(dtype=int)
        left, top, across, down = (float(images[name].attrib[key]) for key in ("x", "y", "width", "height"))
        height, wide = bitmap.shape[:2]
        assert (across, down) == pytest.approx((24 * (wide + 2) / wide, 18 * (height + 2) / height), rel=1e-6)
        assert (left, top) == pytest.approx((12 - across / 2, 9 - down / 2), abs=1e-5)
    assert used == set(images)
    assert {image.attrib[LABEL] for image in images.values()} == {"leaf", "star", "moon"}
    assert root.attrib["width"] == str(width or 96)
    # Of a picture whose height is rounded, 400 x 267 px here, as many units as it shows.
    assert numbers(root.attrib["viewBox"]) == pytest.approx([0, 0, 96, 64.08 if width == 400 else 64])


def test_colors_take_one_filter_each(tmp_path: Path) -> None:
    layout, templates = make_layout(count=12)
    templates.items[1] = replace(templates.items[1], blend=1.0)  # mix: only its own colors
    layout.color[:] = np.array([0.25, 0.5, 1.0])
    root = written(tmp_path / "a.svg", layout, templates)
    values = [item[0].attrib["values"] for item in root.iter(f"{SVG}filter")]
    assert len(values) == len(set(values)) == 2
    assert "0 0 0 0 0.25 0 0 0 0 0.5 0 0 0 0 1 0 0 0 1 0" in values
    assert "0.2 0 0 0 0.05 0 0.4 0 0 0.1 0 0 0.8 0 0.2 0 0 0 1 0" in values
    for use in root.iter(f"{SVG}use"):
        assert ("filter" in use.attrib) == (not use.attrib[HREF].startswith("#stamp-1-"))


def test_order_names_groups_and_invisible_primitives(tmp_path: Path) -> None:
    layout, templates = make_layout(count=6)
    layout.depth = np.array([[5, 0, 1, 2, 3, 4]])
    layout.opacity[0, 2] = 0.0
    layout.scale[0, 3] = 0.0
    root = written(tmp_path / "a.svg", layout, templates)
    uses = list(root.iter(f"{SVG}use"))
    assert [use.attrib[LABEL].split()[-1] for use in uses] == ["001", "006", "005", "004", "003", "002"]
    assert [use.attrib["id"] for use in uses] == [use.attrib[LABEL].replace(" ", "_") for use in uses]
    assert [use.get("display") for use in uses] == [None, None, None, "none", "none", None]
    root = written(tmp_path / "a.svg", layout, templates, grouping="depth", band=4, flatten=True, most_layers=2)
    assert [group.attrib[LABEL] for group in root.iter(f"{SVG}g")] == ["Depth 2", "Depth 1"]
    assert [len(group) for group in root.iter(f"{SVG}g")] == [2, 4]


def test_a_transparent_picture_has_no_background(tmp_path: Path) -> None:
    layout, templates = make_layout(count=2)
    shown = written(tmp_path / "a.svg", layout, templates).find(f"{SVG}rect")
    assert shown is not None
    assert shown.attrib["fill"] == "#e6cc33"
    for settings in ({"transparent": True}, {"background": False}):
        assert written(tmp_path / "a.svg", layout, templates, **settings).find(f"{SVG}rect") is None


def test_strange_stamps_and_names_are_valid(tmp_path: Path) -> None:
    names = ("🍂 \"quoted\" <a> & 'b'", "a/b\\c\n\x00\x1b\ud800 \ufffe]]>", "x" * 300, "12", "", "—")
    templates, specs = make_templates(names=names)
    templates = Templates([*templates.items, Template("dot", np.full((1, 1, 4), 255, np.uint8))])
    layout, _ = make_layout(count=60, names=names)
    layout = replace(layout, templates=[*specs, TemplateSpec("dot.png", "dot")])
    layout.template[:7] = np.arange(7)
    layout.level[:] = 0
    layout.x[0, 0], layout.scale[0, 1], layout.opacity[0, 2] = 1e7, 1e5, 1e-6
    root = written(tmp_path / "a.svg", layout, templates)
    identifiers = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(identifiers) == len(set(identifiers))
    assert all(text.replace("_", "").replace("-", "").isalnum() and not text[0].isdigit() for text in identifiers)
    labels = [use.attrib[LABEL] for use in root.iter(f"{SVG}use")]
    assert labels[-1] == "🍂 \"quoted\" <a> & 'b' 001"
    assert all(len(label) <= 255 and label.isprintable() for label in labels)


def test_a_canceled_svg_leaves_the_older_file(tmp_path: Path) -> None:
    layout, templates = make_layout(count=4)
    path = tmp_path / "a.svg"
    path.write_text("older")

    def tell(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        export(layout, templates, path, ExportSettings(threads=1), tell)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_stamps_of_the_layout_alone_are_embedded(tmp_path: Path) -> None:
    layout, templates = make_layout(count=9)
    layout.template[:] = 1
    layout.level[:] = templates.choose_levels(np.ones(9, np.int64), layout.scale[0], layout.aspect[0])
    root = written(tmp_path / "a.svg", layout, templates)
    assert {image.attrib["id"][:8] for image in root.iter(f"{SVG}image")} == {"stamp-1-"}
