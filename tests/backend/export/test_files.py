"""Layered files, read back by libraries that know the formats, and composited by programs that do."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from psd_tools import PSDImage
from psd_tools.api.layers import Layer as PsdLayer
from psd_tools.constants import Resource

from backend.export import Cancelled, export
from backend.job import ExportSettings, UserError
from backend.job.layout import Layout
from backend.layouts.rendering import render_layout, scaled_arrays
from backend.templates import Templates

from ..support.layers import make_layout, over, task
from .test_layers import shown

from backend.export.layers.stack import Stack  # isort: skip

MAGICK = next((found for name in ("convert-im6", "magick") if (found := shutil.which(name))), None)
"""ImageMagick under a name that no substitute has."""

NAMES = ("le\N{HERB}af/1\\", "x" * 300, "")


def write(layout: Layout, templates: Templates, path: Path, **settings: Any) -> list[str]:
    return export(layout, templates, path, ExportSettings(threads=1, **settings)).remarks


def rendered(layout: Layout, templates: Templates, *, back_first: bool = False, **settings: Any) -> list[Any]:
    """The layers, front first. back_first: in which order they are rendered, on which their last bit depends."""
    stack = Stack(task(layout, templates, Path("x.psd"), **settings))
    step = -1 if back_first else 1
    return list(stack.render(stack.items[::step]))[::step]


def leaves(path: Path) -> list[PsdLayer]:
    """Returns the layers of a PSD, front first, without the background."""
    found = [layer for layer in PSDImage.open(path).descendants() if not layer.is_group()]
    return [layer for layer in reversed(found) if layer.name != "Background"]


def pixels_of(layer: PsdLayer) -> NDArray[np.uint8]:
    image: Any = layer.topil(apply_icc=False)
    return np.zeros((0, 0, 4), np.uint8) if image is None else np.array(image.convert("RGBA"))


def topil(file: PSDImage) -> Image.Image:
    """The merged picture."""
    image = file.topil(apply_icc=False)
    assert image is not None
    return image


@pytest.mark.parametrize("ending", [".psd", ".psb"])
@pytest.mark.parametrize("grouping", ["none", "depth", "stamp"])
def test_psd_holds_the_layers_exactly(tmp_path: Path, ending: str, grouping: str) -> None:
    layout, templates = make_layout(names=NAMES)
    path = tmp_path / f"x{ending}"
    write(layout, templates, path, grouping=grouping, band=15, resolution=300)
    expected = rendered(layout, templates, back_first=True, grouping=grouping, band=15)
    layers = leaves(path)
    assert [layer.name for layer in layers] == [layer.item.name for layer in expected]
    for layer, known in zip(layers, expected, strict=True):
        assert layer.opacity == known.opacity
        assert np.array_equal(pixels_of(layer), known.pixels)
        if known.pixels.size:
            assert (layer.left, layer.top) == (known.left, known.top)
    file = PSDImage.open(path)
    assert (file.width, file.height, file.version) == (96, 64, 1 if ending == ".psd" else 2)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(file.image_resources.get_data(Resource.ICC_PROFILE)))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    assert file.image_resources.get_data(Resource.RESOLUTION_INFO).horizontal == 300 << 16
    assert file.has_thumbnail()
    merged = np.array(Image.open(path).convert("RGB")) if ending == ".psd" else np.array(topil(file).convert("RGB"))
    picture = render_layout(layout, templates)[:3].transpose(1, 2, 0) * 255
    assert np.abs(merged - picture).max() <= 0.501


def test_psd_has_groups_and_a_background(tmp_path: Path) -> None:
    layout, templates = make_layout(frames=2, count=9)
    write(layout, templates, tmp_path / "x.psd", grouping="depth", band=4, clip="groups")
    file: Any = PSDImage.open(tmp_path / "x.psd")
    assert [(layer.name, layer.visible) for layer in file] == [
        ("Background", True),
        ("Frame 2", False),
        ("Frame 1", True),
    ]
    assert [group.name for group in file[2]] == ["Depth 3", "Depth 2", "Depth 1"]
    assert [len(group) for group in file[2]] == [1, 4, 4]
    assert np.array(file[0].topil())[0, 0, :3].tolist() == [230, 204, 51]


def test_a_transparent_psd_has_no_background(tmp_path: Path) -> None:
    layout, templates = make_layout(transparent=True)
    write(layout, templates, tmp_path / "x.psd")
    file = PSDImage.open(tmp_path / "x.psd")
    assert "Background" not in [layer.name for layer in file]
    alpha = np.array(topil(file))[..., 3]
    assert np.abs(alpha - shown(layout, templates)[..., 3] * 255).max() <= 0.501


def test_tints_can_be_effects_too(tmp_path: Path) -> None:
    layout, templates = make_layout()
    write(layout, templates, tmp_path / "x.psd", overlay=True, grouping="none")
    for row, layer in enumerate(leaves(tmp_path / "x.psd")):
        effects: list[Any] = list(layer.effects)
        if layout.template[row] != 0:
            assert not effects
            continue
        effect: Any = effects[0]
        assert len(effects) == 1
        assert effect.name == "ColorOverlay"
        color = [float(value) for value in effect.color.values()]
        assert color == pytest.approx((layout.color[0, row] * 255).tolist(), abs=0.01)
        opaque = pixels_of(layer)[..., 3] > 128
        if opaque.any():
            assert np.abs(pixels_of(layer)[opaque][:, :3] - color).max() <= 0.51


@pytest.mark.skipif(MAGICK is None, reason="ImageMagick is not installed")
@pytest.mark.parametrize("ending", [".psd", ".psb"])
@pytest.mark.parametrize("settings", [{}, {"transparent": True}, {"flatten": True, "most_layers": 12}], ids=str)
def test_imagemagick_composites_the_same(tmp_path: Path, ending: str, settings: dict[str, Any]) -> None:
    layout, templates = make_layout(count=80)
    path, out = tmp_path / f"x{ending}", tmp_path / "flat.png"
    write(layout, templates, path, **settings)
    # The first image is the merged one. In 16 bits, because it cuts off instead of rounding to 8.
    layers = ["(", str(path), "-delete", "0", ")"]
    canvas = ["-size", "96x64", "xc:none", *layers, "-background", "none", "-flatten", "-depth", "16", f"PNG64:{out}"]
    subprocess.run([str(MAGICK), *canvas], check=True, timeout=60)
    flat = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]] / 65535.0
    flat[..., :3] *= flat[..., 3:]
    straight = render_layout(layout, templates, transparent="transparent" in settings).transpose(1, 2, 0)
    straight[..., :3] *= straight[..., 3:]
    difference = np.abs(flat - straight) * 255
    assert difference.max() < 2.0  # the bars: each layer's 8 bits are half a level off
    assert difference.mean() < 0.4


def read_ora(path: Path) -> tuple[list[dict[str, str]], dict[str, NDArray[np.uint8]]]:
    """Attributes of all layers, front first, with the names of their groups; and the pictures."""
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist()[0] == "mimetype"
        assert archive.getinfo("mimetype").compress_type == zipfile.ZIP_STORED
        assert archive.read("mimetype") == b"image/openraster"
        root = Xml.fromstring(archive.read("stack.xml"))
        pictures = {
            name: np.array(Image.open(io.BytesIO(archive.read(name))).convert("RGBA"))
            for name in archive.namelist()
            if name.endswith(".png")
        }
    for node in root.iter():
        if node.tag in ("stack", "layer") and node is not root[0]:
            assert {"name", "x", "y", "opacity", "visibility", "composite-op"} <= set(node.attrib)
    return [dict(node.attrib) for node in root.iter("layer")], pictures


def test_ora_holds_the_layers_exactly(tmp_path: Path) -> None:
    layout, templates = make_layout(names=NAMES)
    write(layout, templates, tmp_path / "x.ora", grouping="stamp")
    expected = rendered(layout, templates, grouping="stamp")
    layers, pictures = read_ora(tmp_path / "x.ora")
    assert layers[-1]["name"] == "Background"
    canvas = np.ones((64, 96, 4)) * [*np.round(np.array(layout.background) * 255) / 255, 1.0]
    for layer, known in list(zip(layers[:-1], expected, strict=True))[::-1]:
        assert layer["name"] == known.item.name
        pixels = pictures[layer["src"]]
        if known.pixels.size:
            assert (int(layer["x"]), int(layer["y"])) == (known.left, known.top)
            assert np.array_equal(pixels, known.pixels)
        assert float(layer["opacity"]) == pytest.approx(known.opacity / 255, abs=1e-6)
        over(canvas, pixels, int(layer["x"]), int(layer["y"]), float(layer["opacity"]))
    picture = render_layout(layout, templates)[:3].transpose(1, 2, 0)
    assert np.abs(canvas[..., :3] - picture).max() * 255 < 1.5
    assert np.abs(pictures["mergedimage.png"][..., :3] - picture * 255).max() <= 0.501
    assert max(pictures["Thumbnails/thumbnail.png"].shape) <= 256


def test_a_folder_holds_layers_and_their_places(tmp_path: Path) -> None:
    layout, templates = make_layout(frames=2, count=9)
    write(layout, templates, tmp_path / "x", clip="groups", width=192)
    data = json.loads((tmp_path / "x" / "layers.json").read_text(encoding="utf-8"))
    assert (data["width"], data["height"], data["scale"], data["frames"]) == (192, 128, 2.0, [1, 2])
    assert [layer["frame"] for layer in data["layers"]] == [1] * 9 + [2] * 9
    assert data["layers"][0]["groups"] == ["Frame 1", "Depth"]
    assert [layer["visible"] for layer in data["layers"]] == [True] * 9 + [False] * 9
    canvas = np.zeros((128, 192, 4))
    for layer in reversed(data["layers"][:9]):
        pixels = np.array(Image.open(tmp_path / "x" / layer["file"]))
        over(canvas, pixels, layer["left"], layer["top"], layer["opacity"])
        index = layer["primitives"][0]
        assert layer["primitive"]["x"] == pytest.approx(float(layout.x[0, index]))
    assert np.abs(canvas - shown(layout.only([0]), templates, 192)).max() * 255 < 1.5
    write(layout, templates, tmp_path / "x")  # over an earlier one
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("")
    with pytest.raises(UserError, match="holds other files: choose another name"):
        write(layout, templates, tmp_path / "mine")


def test_a_png_may_have_16_bits_and_comes_in_strips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, templates = make_layout()
    monkeypatch.setattr("backend.export.base.SHORT_STRIP_SAMPLES", 300 * 7)
    write(layout, templates, tmp_path / "x.png", bits=16, width=300, transparent=True, resolution=300)
    read = cv2.imread(str(tmp_path / "x.png"), cv2.IMREAD_UNCHANGED)[..., [2, 1, 0, 3]]
    assert read.dtype == np.uint16
    picture = render_layout(layout, templates, width=300, transparent=True).transpose(1, 2, 0)
    read = read / 65535.0
    for pixels in (read, picture):
        pixels[..., :3] *= pixels[..., 3:]
    assert np.abs(read - picture).max() < 2e-4  # places within a strip are rounded otherwise
    image = Image.open(tmp_path / "x.png")
    assert image.info["dpi"][0] == pytest.approx(300, abs=0.1)
    write(layout, templates, tmp_path / "y.png")
    assert np.array(Image.open(tmp_path / "y.png")).shape == (64, 96, 3)


def test_a_clip_can_be_a_file_per_frame(tmp_path: Path) -> None:
    layout, templates = make_layout(frames=3)
    write(layout, templates, tmp_path / "x.psd", clip="files", frames=(2, 9))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x_0002.psd", "x_0003.psd"]
    with pytest.raises(UserError, match="There is no frame from 5 to 9: the layout has 1 to 3"):
        write(layout, templates, tmp_path / "y.psd", frames=(5, 9))


def test_too_large_a_psd_becomes_a_psb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, templates = make_layout()
    monkeypatch.setattr("backend.export.formats.psd.MAX_BYTES", 1000)
    remarks = write(layout, templates, tmp_path / "x.psd")
    assert remarks == ["More than a PSD holds: written as x.psb"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.psb"]


def test_limits_of_layers_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, templates = make_layout()
    monkeypatch.setattr("backend.export.formats.psd.MAX_LAYERS", 30)
    (remark,) = write(layout, templates, tmp_path / "x.psd")
    assert "has 41 layers and groups, but Photoshop opens 30 at most" in remark
    assert not write(layout, templates, tmp_path / "x.psd", flatten=True, most_layers=30)
    monkeypatch.setattr("backend.export.formats.psd.MAX_RECORDS", 30)
    with pytest.raises(UserError, match="40 layers in 1 groups are more than the 30 records of a PSD"):
        write(layout, templates, tmp_path / "x.psd")


def test_a_linear_layout_gets_a_remark(tmp_path: Path) -> None:
    layout, templates = make_layout(space="linear")
    (remark,) = write(layout, templates, tmp_path / "x.ora")
    assert "fitted in linear light" in remark
    # What the layers look like together is what the merged picture shows.
    display = render_layout(replace(layout, space="display"), templates)[:3].transpose(1, 2, 0)
    merged = read_ora(tmp_path / "x.ora")[1]["mergedimage.png"]
    assert np.abs(merged[..., :3] - display * 255).max() <= 0.501


@pytest.mark.parametrize("name", ["x.psd", "x.ora", "x", "x.png", "x.json"])
def test_a_canceled_export_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    layout, templates = make_layout()
    write(layout, templates, tmp_path / name)
    before = [(path, path.read_bytes()) for path in sorted(tmp_path.rglob("*")) if path.is_file()]

    def stop(done: int, total: int) -> None:
        raise Cancelled

    if name != "x.json":  # which takes no time
        with pytest.raises(Cancelled):
            export(layout, templates, tmp_path / name, ExportSettings(width=200), stop)
    assert [(path, path.read_bytes()) for path in sorted(tmp_path.rglob("*")) if path.is_file()] == before


@pytest.mark.parametrize("name", ["x.psd", "x.ora", "x", "x.png"])
@pytest.mark.parametrize("case", ["empty", "one_texel", "huge", "gone"])
def test_odd_layouts_are_valid_files(tmp_path: Path, name: str, case: str) -> None:
    layout, templates = make_layout(count=0 if case == "empty" else 6)
    if case == "one_texel":
        layout.scale[:] = 0.01
    elif case == "huge":
        layout.scale[:] = 4096.0
    elif case == "gone":
        layout.x[:], layout.opacity[:] = -1e7, 0.0
    write(layout, templates, tmp_path / name, transparent=True)
    if name == "x.psd":
        assert len(leaves(tmp_path / name)) == layout.count
        topil(PSDImage.open(tmp_path / name))
    elif name == "x.ora":
        assert len(read_ora(tmp_path / name)[0]) == layout.count


def test_a_folder_of_the_users_own_is_never_replaced(tmp_path: Path) -> None:
    layout, templates = make_layout(count=3)
    write(layout, templates, tmp_path / "x")
    (tmp_path / "x" / "comp.aep").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        write(layout, templates, tmp_path / "x")
    assert (tmp_path / "x" / "comp.aep").read_text() == "mine"
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(UserError, match="is a file, and not a folder"):
        write(layout, templates, tmp_path / "notes")
    (tmp_path / "y.psd").mkdir()
    with pytest.raises(UserError, match="is a folder: choose another name"):
        write(layout, templates, tmp_path / "y.psd")
    write(layout, templates, tmp_path / ("n" * 240 + ".psd"))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_canceled_series_leaves_nothing(tmp_path: Path) -> None:
    layout, templates = make_layout(frames=4)

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        export(layout, templates, tmp_path / "x.psd", ExportSettings(clip="files"), stop)
    assert not list(tmp_path.iterdir())
    done = export(layout, templates, tmp_path / "x.psd", ExportSettings(clip="files"))
    assert [path.name for path in done.files] == [f"x_000{number}.psd" for number in range(1, 5)]
    assert done.remarks == ["4 files: x_0001.psd to x_0004.psd"]


def test_json_says_what_lies_in_front(tmp_path: Path) -> None:
    depth = np.array([[2, 1, 0], [0, 1, 2]])
    layout, templates = make_layout(count=3, frames=2, depth=depth)
    write(layout, templates, tmp_path / "x.json")
    data = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert [primitive["depth"] for primitive in data["primitives"]] == depth.T.tolist()


def test_too_large_a_picture_is_refused(tmp_path: Path) -> None:
    layout, templates = make_layout(width=10, height=2000)
    with pytest.raises(UserError, match="85 x 17,000 px, but an export has 16,384 a side at most"):
        write(layout, templates, tmp_path / "x.psd", width=85)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psd_tools", None)
    for name in [name for name in sys.modules if name.startswith("backend.export.formats")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("psd_tools.")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=r"^x\.psd needs psd-tools, which is not installed: install it") as caught:
        write(*make_layout(), tmp_path / "x.psd")
    assert caught.value.action == "install"


def test_flattening_drops_groups_if_they_are_too_many(tmp_path: Path) -> None:
    layout, templates = make_layout(count=120)
    stack = Stack(task(layout, templates, Path("x.psd"), band=4, flatten=True, most_layers=8))
    assert stack.size <= 8


def test_layers_with_an_overlay_have_their_opacity_in_their_pixels(tmp_path: Path) -> None:
    layout, templates = make_layout()
    for layer in rendered(layout, templates, overlay=True, grouping="none"):
        tinted = layout.template[layer.item.primitives[0]] == 0
        assert not tinted or layer.opacity == 255


def test_magnified_stamps_stay_sharp_in_smaller_pictures() -> None:
    layout, templates = make_layout(count=1)
    layout.scale[:], layout.aspect[:], layout.level[:], layout.template[:] = 40.0, 1.0, 0, 0
    for width in (96, 60, 48, 24):
        level = scaled_arrays(layout, templates, width)[1].level[0].tolist()
        # 24 texels over 80 px: in a picture of 29 px they are one to a pixel.
        assert level == ([0, 0] if width >= 30 else [1, 1])
