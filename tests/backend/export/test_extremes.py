"""Exports of what lies far outside, is huge or tiny, or has a strange name: valid files, or a sentence."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from PIL import Image
from psd_tools import PSDImage

from backend.export import export
from backend.export.layers import bitmaps, sheets
from backend.export.layers.stack import Stack
from backend.job import Clip, ExportSettings, UserError
from backend.job.layout import Layout
from backend.pictures.movies import read_frames
from backend.templates import Templates

from ..support.layers import make_layout, task

EXTREMES: dict[str, list[float]] = {
    "x": [-1e6, 1e6, 0, 40, 3e5, -4e4],
    "y": [1e6, -1e6, 30, 0, 2e5, 5e4],
    "scale": [0, 1e-6, 1e6, 3, 1e4, 0.3],
    "aspect": [1e-4, 1e4, 1, 1e-4, 1e4, 2],
    "rotation": [0, 1e6, -1e9, 3.0, 0.7, 1.57],
    "opacity": [1, 0.5, 1, 1, 0.001, 1],
}
NAMES = ("x" * 5000, "a/../\0\ud800\ufffe\x07<&\"'>]]>", "CON", "\N{RIGHT-TO-LEFT OVERRIDE}abc", "..")
FORMATS = ["x.psd", "x.psb", "x.ora", "x.svg", "x.json", "x", "x.png", "x.gif", "x.webp", "x.mp4"]


def extreme(width: int = 96, height: int = 64) -> tuple[Layout, Templates]:
    layout, templates = make_layout(count=6, width=width, height=height)
    for name, values in EXTREMES.items():
        getattr(layout, name)[0] = values
    counts = templates.level_count[layout.template]
    layout.level[:] = np.minimum([[0, 0], [99, 99], [0, 0], [99, 0], [0, 99], [3, 3]], counts - 1)
    return layout, templates


def write(layout: Layout, templates: Templates, path: Path, **settings: Any) -> None:
    export(layout, templates, path, ExportSettings(threads=1, engine="cpu", **settings))


def check(path: Path, size: tuple[int, int]) -> None:
    """Reads a file by a library that knows its format."""
    kind = path.suffix
    if kind in (".psd", ".psb"):
        file = PSDImage.open(path)
        assert file.size == size
        for layer in file.descendants():
            layer.topil()
    elif kind == ".ora":
        with zipfile.ZipFile(path) as archive:
            Xml.fromstring(archive.read("stack.xml"))
    elif kind == ".svg":
        Xml.parse(path)
    elif kind == ".mp4":
        assert len(list(read_frames(path, Clip()))) == 1
    elif kind in (".json", ""):
        json.loads((path / "layers.json" if path.is_dir() else path).read_text(encoding="utf-8"))
    else:
        with Image.open(path) as image:
            image.load()
            assert image.size == size


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("size", "width"), [((96, 64), 0), ((96, 1), 0), ((1, 96), 0), ((1, 1), 0), ((96, 64), 1)])
def test_extreme_geometry_is_written(tmp_path: Path, name: str, size: tuple[int, int], width: int) -> None:
    layout, templates = extreme(*size)
    write(layout, templates, tmp_path / name, width=width, grouping="stamp")
    check(tmp_path / name, (1, 1) if width == 1 else size)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x", [1e30, -3e38, np.nan]),
        ("scale", [3e38, 1e30, -5]),
        ("aspect", [3e38, 1e-38, 0]),
        ("rotation", [3e38, np.nan, np.inf]),
        ("opacity", [7, -3, np.nan]),
    ],
)
def test_layers_fit_into_their_format_whatever_the_numbers(name: str, values: list[float]) -> None:
    layout, templates = make_layout(count=6)
    getattr(layout, name)[0, :3] = values
    stack = Stack(task(layout, templates, Path("x.psd"), grouping="none", engine="cpu"))
    for layer in stack.render(stack.items):
        height, width = layer.pixels.shape[:2]
        assert 0 <= layer.opacity <= 255
        assert -48 <= layer.left <= layer.left + width <= 96 + 48
        assert -32 <= layer.top <= layer.top + height <= 64 + 32


def test_layers_of_large_pictures_reach_less_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_REACH", 10)
    layout, templates = make_layout(count=1)
    layout.scale[0], layout.opacity[0] = 5000.0, 1.0
    stack = Stack(task(layout, templates, Path("x.psd"), grouping="none"))
    (layer,) = stack.render(stack.items)
    assert (layer.left, layer.top, layer.pixels.shape) == (-10, -10, (64 + 20, 96 + 20, 4))


def test_few_large_layers_wait_for_their_compression(monkeypatch: pytest.MonkeyPatch) -> None:
    layout, templates = make_layout(count=20)
    layout.scale[:] = 500.0
    stack = Stack(task(layout, templates, Path("x.ora"), grouping="none"))
    made: list[int] = []

    def counted() -> Any:
        for layer in stack.render(stack.items):
            made.append(1)
            yield layer

    monkeypatch.setattr(bitmaps, "_AHEAD_PIXELS", 3 * 192 * 128)
    pairs = bitmaps.compressed(counted(), 1)
    next(pairs)
    assert len(made) <= 5
    assert len(list(pairs)) == 19


@pytest.mark.parametrize("name", ["x.psd", "x.ora", "x.svg", "x.json", "x"])
@pytest.mark.parametrize("grouping", ["stamp", "depth"])
def test_strange_names_are_written(tmp_path: Path, name: str, grouping: str) -> None:
    layout, templates = make_layout(count=10, names=NAMES)
    write(layout, templates, tmp_path / name, grouping=grouping, overlay=True)
    check(tmp_path / name, (96, 64))
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    layers = {f"x/layers/{number:04d}.png" for number in range(1, 11)}
    assert files == ({name} if "." in name else {"x/merged.png", "x/layers.json", *layers})


@pytest.mark.parametrize("name", ["y" * 300 + ".svg", "y" * 300, "a\0b.png", "y" * 251 + ".png"])
def test_names_that_no_file_can_have_are_refused(tmp_path: Path, name: str) -> None:
    layout, templates = make_layout(count=2, frames=2)
    with pytest.raises(UserError, match="cannot be the name of a file") as caught:
        write(layout, templates, tmp_path / name, clip="files")
    assert len(caught.value.message) < 200
    assert list(tmp_path.iterdir()) == []


def test_the_longest_name_is_written(tmp_path: Path) -> None:
    layout, templates = make_layout(count=2)
    for name in ("y" * 251 + ".png", "y" * 250 + ".json", "z" * 240):
        write(layout, templates, tmp_path / name)
        assert (tmp_path / name).exists()
