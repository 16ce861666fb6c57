"""Image datablocks of every kind as the backend gets them: 8-bit bytes exactly, all others within a level."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.blender import images as images_module
from diffbmp.operators.blender.colors import decode
from diffbmp.operators.blender.images import picture_size, read_image, write_array, write_png
from numpy.typing import NDArray

from tests.addon.support.pictures import make_image, write_16_bit_png

Array = NDArray[Any]


def noise(height: int = 6, width: int = 5, seed: int = 1) -> Array:
    """Straight, display-encoded bytes, none of them so transparent that its color is lost in 8 bits."""
    rgba = np.random.default_rng(seed).integers(0, 256, (height, width, 4))
    rgba[..., 3] = np.maximum(rgba[..., 3], 32)
    return rgba.astype(np.uint8)


def difference(first: Array, second: Array) -> int:
    return int(np.abs(first.astype(int) - second.astype(int)).max())


def write_exr(path: Path, pixels: Array, kind: str = "f4") -> None:
    """Scene-linear, premultiplied [h, w, 4], or [h, w] of gray: an uncompressed OpenEXR file of floats or halves."""
    height, width = pixels.shape[:2]
    planes = {"Y": pixels} if pixels.ndim == 2 else dict(zip("RGBA", np.moveaxis(pixels, 2, 0), strict=True))
    code = 2 if kind == "f4" else 1
    channels = b"".join(name.encode() + b"\0" + struct.pack("<iB3xii", code, 0, 1, 1) for name in sorted(planes))
    box = struct.pack("<4i", 0, 0, width - 1, height - 1)
    attributes = {
        "channels": ("chlist", channels + b"\0"),
        "compression": ("compression", b"\0"),
        "dataWindow": ("box2i", box),
        "displayWindow": ("box2i", box),
        "lineOrder": ("lineOrder", b"\0"),
        "pixelAspectRatio": ("float", struct.pack("<f", 1)),
        "screenWindowCenter": ("v2f", struct.pack("<2f", 0, 0)),
        "screenWindowWidth": ("float", struct.pack("<f", 1)),
    }
    head = struct.pack("<ii", 20000630, 2)
    for name, (type_name, value) in attributes.items():
        head += name.encode() + b"\0" + type_name.encode() + b"\0" + struct.pack("<i", len(value)) + value
    head += b"\0"
    rows = []
    for y in range(height):
        row = b"".join(planes[name][y].astype("<" + kind).tobytes() for name in sorted(planes))
        rows.append(struct.pack("<ii", y, len(row)) + row)
    first = len(head) + 8 * height
    offsets = [first + sum(map(len, rows[:y])) for y in range(height)]
    path.write_bytes(head + struct.pack(f"<{height}Q", *offsets) + b"".join(rows))


# --- 8 bits: exactly -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha_mode", ["STRAIGHT", "CHANNEL_PACKED"])
@pytest.mark.parametrize("color_space", ["sRGB", "Non-Color", "Linear Rec.709"])
def test_bytes_of_a_file_come_as_they_are(tmp_path: Path, color_space: str, alpha_mode: str) -> None:
    rgba = noise()
    write_png(tmp_path / "a.png", rgba)
    image = bpy.data.images.load(str(tmp_path / "a.png"))
    image.colorspace_settings.name, image.alpha_mode = color_space, alpha_mode
    np.testing.assert_array_equal(read_image(image), rgba)
    image.pack()
    np.testing.assert_array_equal(read_image(image), rgba)


def test_a_file_said_to_be_premultiplied_is_straightened(tmp_path: Path) -> None:
    straight = noise()
    premultiplied = straight.copy()
    premultiplied[..., :3] = np.rint(straight[..., :3] * (straight[..., 3:] / 255.0))
    write_png(tmp_path / "a.png", premultiplied)
    image = bpy.data.images.load(str(tmp_path / "a.png"))
    image.alpha_mode = "PREMUL"
    assert difference(read_image(image), straight) <= 255 / 32  # the least alpha leaves so few levels of a color


def test_generated_patterns_are_read() -> None:
    image = bpy.data.images.new("grid", 32, 16)
    image.generated_type = "COLOR_GRID"
    rgba = read_image(image)
    assert rgba.shape == (16, 32, 4)
    assert len(np.unique(rgba[..., :3])) > 4
    image.pack()
    np.testing.assert_array_equal(read_image(image), rgba)


def test_unsaved_strokes_are_read(tmp_path: Path) -> None:
    rgba = noise()
    write_png(tmp_path / "a.png", rgba)
    image = bpy.data.images.load(str(tmp_path / "a.png"))
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    values[:4] = (1, 0, 0, 1)  # the first pixel of the lowest row
    image.pixels.foreach_set(values)
    rgba[-1, 0] = (255, 0, 0, 255)
    np.testing.assert_array_equal(read_image(image), rgba)


# --- more bits: within a level ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha_mode", ["STRAIGHT", "CHANNEL_PACKED"])
def test_16_bits_are_within_a_level(tmp_path: Path, alpha_mode: str) -> None:
    rgba = noise()
    write_16_bit_png(tmp_path / "deep.png", rgba.astype(np.uint16) * 257)
    image = bpy.data.images.load(str(tmp_path / "deep.png"))
    image.alpha_mode = alpha_mode
    image.reload()
    assert difference(read_image(image), rgba) <= 1


@pytest.mark.parametrize("kind", ["f4", "f2"])
def test_light_is_encoded_and_straightened(tmp_path: Path, kind: str) -> None:
    rgba = noise()
    light = decode(rgba / 255.0)
    light[..., 3] = rgba[..., 3] / 255.0
    light[..., :3] *= light[..., 3:]
    write_exr(tmp_path / "a.exr", light, kind)
    image = bpy.data.images.load(str(tmp_path / "a.exr"))
    assert image.is_float
    assert difference(read_image(image), rgba) <= 1
    image.pack()
    assert difference(read_image(image), rgba) <= 1


def test_data_in_a_float_file_are_numbers(tmp_path: Path) -> None:
    rgba = noise()
    write_exr(tmp_path / "a.exr", rgba / 255.0)
    image = bpy.data.images.load(str(tmp_path / "a.exr"))
    image.colorspace_settings.name, image.alpha_mode = "Non-Color", "CHANNEL_PACKED"
    assert difference(read_image(image), rgba) <= 1


def test_light_of_a_wide_color_space_arrives_in_srgb(tmp_path: Path) -> None:
    """Gray is gray in all of them; Blender has converted the rest to its own when the file is loaded."""
    gray = np.full((4, 4, 4), 1.0)
    gray[..., :3] = decode(0.5)
    write_exr(tmp_path / "a.exr", gray)
    image = bpy.data.images.load(str(tmp_path / "a.exr"))
    image.colorspace_settings.name = "Linear Rec.2020"
    assert difference(read_image(image), np.array([128, 128, 128, 255])) <= 1


def test_gray_float_files_are_gray(tmp_path: Path) -> None:
    write_exr(tmp_path / "a.exr", decode(np.full((3, 4), 0.5)))
    rgba = read_image(bpy.data.images.load(str(tmp_path / "a.exr")))
    assert rgba.shape == (3, 4, 4)
    assert difference(rgba, np.array([128, 128, 128, 255])) <= 1


def test_a_generated_float_image_is_straight() -> None:
    rgba = noise()
    light = decode(rgba / 255.0)
    light[..., 3] = rgba[..., 3] / 255.0
    assert difference(read_image(make_image("light", light, float_buffer=True)), rgba) <= 1


# --- what is no still picture ----------------------------------------------------------------------------------------


def test_movies_sequences_and_tiles_are_named(tmp_path: Path) -> None:
    write_png(tmp_path / "a0001.png", noise())
    image = bpy.data.images.load(str(tmp_path / "a0001.png"))
    for source, kind in (("MOVIE", "a movie"), ("SEQUENCE", "a sequence"), ("TILED", "a set of tiles")):
        image.source = source
        with pytest.raises(UserError, match=rf"^The image a0001\.png is {kind}, but a still picture is needed: save"):
            read_image(image)


def test_an_image_without_pixels_is_named() -> None:
    image = bpy.data.images.new("empty", 1, 1)
    image.source, image.filepath = "FILE", "//nowhere/empty.png"
    with pytest.raises(UserError, match=r"^The image empty has no pixels: .*empty\.png does not exist$"):
        read_image(image)


@pytest.mark.parametrize("alpha_mode", ["STRAIGHT", "NONE"])
@pytest.mark.parametrize("is_float", [False, True])
def test_pictures_are_converted_in_strips(is_float: bool, alpha_mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = make_image("noise", noise(7, 5) / 255, float_buffer=is_float)
    image.alpha_mode = alpha_mode
    whole = read_image(image)
    monkeypatch.setattr(images_module, "_STRIP", 10)
    np.testing.assert_array_equal(read_image(image), whole)
    np.testing.assert_array_equal(read_image(image), whole, "the same when it is read again")


def test_an_array_holds_the_pixels_and_tells_their_size(tmp_path: Path) -> None:
    rgba = noise(6, 5)
    for name, pixels in (("whole", rgba), ("part", rgba[1:4, ::2])):
        write_array(tmp_path / f"{name}.npy", pixels)
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), pixels)
        assert picture_size(tmp_path / f"{name}.npy") == (pixels.shape[1], pixels.shape[0])
    write_png(tmp_path / "a.png", rgba)
    assert picture_size(tmp_path / "a.png") == (5, 6)
