"""Pictures of every kind become straight sRGB RGBA; others cause an error with the reason."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image, ImageCms

from backend.job import UserError
from backend.pictures.images import MAX_STAMP, load_mask, load_rgba, load_target, save_png

WIDTH, HEIGHT = 5, 3
RED, GREEN = (200, 40, 10), (10, 180, 60)


def picture(mode: str) -> Image.Image:
    """A picture with a red left column, green elsewhere, and alpha 128 in the upper row where the mode has alpha."""
    rgba = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    rgba[..., :3] = GREEN
    rgba[:, 0, :3] = RED
    rgba[0, :, 3] = 128
    image = Image.fromarray(rgba)
    if mode != "LAB":
        return image.convert(mode)
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return cast(Image.Image, ImageCms.profileToProfile(image.convert("RGB"), *profiles, outputMode="LAB"))


# LAB has 8-bit integers, which are coarse steps where red is low.
@pytest.mark.parametrize(
    ("mode", "same_as", "tolerance"),
    [(mode, mode, 0) for mode in ("RGB", "RGBA", "L", "LA", "1")]
    + [("P", "RGB", 0), ("CMYK", "RGB", 0), ("YCbCr", "RGB", 2), ("LAB", "RGB", 20)],
)
def test_every_mode_becomes_rgba(tmp_path: Path, mode: str, same_as: str, tolerance: int) -> None:
    picture(mode).save(tmp_path / "a.tif")
    rgba = load_rgba(tmp_path / "a.tif")
    assert rgba.shape == (HEIGHT, WIDTH, 4)
    assert rgba.dtype == np.uint8
    expected = np.asarray(picture(same_as).convert("RGBA"))
    assert np.abs(rgba.astype(int) - expected.astype(int)).max() <= tolerance


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = picture("RGB").quantize(4)
    index = image.getpixel((0, 0))
    image.save(tmp_path / "a.png", transparency=index)
    rgba = load_rgba(tmp_path / "a.png")
    assert (rgba[:, 0, 3] == 0).all()
    assert (rgba[:, 1:, 3] == 255).all()
    assert np.abs(rgba[0, 1, :3].astype(int) - GREEN).max() <= 2


def test_sixteen_bits_and_floats(tmp_path: Path) -> None:
    ramp = np.array([[0, 257, 32896, 65535]], np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    Image.fromarray(ramp.astype(np.float32) / 65535).save(tmp_path / "b.tif")
    Image.fromarray(ramp.astype(np.int32)).save(tmp_path / "c.tif")
    for name in ("a.png", "b.tif", "c.tif"):
        rgba = load_rgba(tmp_path / name)
        assert rgba[0, :, 0].tolist() == [0, 1, 128, 255], name
        assert rgba[0, :, 2].tolist() == [0, 1, 128, 255], name
        assert (rgba[..., 3] == 255).all()


def test_exif_rotates_the_picture_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    picture("RGB").save(tmp_path / "a.png", exif=exif)
    rgba = load_rgba(tmp_path / "a.png")
    assert rgba.shape == (WIDTH, HEIGHT, 4)
    assert (rgba[0, :, :3] == RED).all()
    color, _ = load_target(tmp_path / "a.png", 10)
    assert color.shape == (3, 10, 6)


def test_a_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    image = Image.new("RGB", (2, 2), (120, 60, 30))
    image.putalpha(77)
    image.save(tmp_path / "linear.png", icc_profile=linear_profile())
    rgba = load_rgba(tmp_path / "linear.png")
    light = np.array([120, 60, 30]) / 255
    expected = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(rgba[0, 0, :3] - expected).max() <= 1.0
    assert (rgba[..., 3] == 77).all()


def test_srgb_and_broken_profiles_change_nothing(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile"):
        image = Image.new("RGB", (1, 1), (120, 60, 30))
        image.save(tmp_path / "a.png", icc_profile=profile)
        assert load_rgba(tmp_path / "a.png")[0, 0].tolist() == [120, 60, 30, 255]


def linear_profile() -> bytes:
    """An RGB profile with sRGB's primaries and linear light: the standard profile with other curves."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data = data.replace("sRGB".encode("utf-16-be"), "Linr".encode("utf-16-be"))
    count = struct.unpack_from(">I", data, 128)[0]
    for entry in range(count):
        tag, offset, size = struct.unpack_from(">4sII", data, 132 + 12 * entry)
        if tag in (b"rTRC", b"gTRC", b"bTRC"):
            # A parametric curve of type 0 with exponent 1, padded to the length of the old curve.
            curve = struct.pack(">4sIHHi", b"para", 0, 0, 0, 1 << 16)
            data[offset : offset + size] = curve.ljust(size, b"\0")
    return bytes(data)


def test_the_target_has_the_given_size(tmp_path: Path) -> None:
    for size in ((300, 200), (20, 30), (400, 1), (1, 1)):
        Image.new("RGB", size, RED).save(tmp_path / "a.png")
        color, alpha = load_target(tmp_path / "a.png", 64)
        width, height = (max(1, round(side * 64 / max(size))) for side in size)
        assert color.shape == (3, height, width)
        assert color.dtype == np.float32
        np.testing.assert_allclose(color, np.broadcast_to(np.array(RED)[:, None, None] / 255, color.shape), atol=1e-6)
        assert (alpha == 1).all()


def test_transparent_pixels_do_not_bleed_into_a_smaller_target(tmp_path: Path) -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[:, :32] = (255, 0, 0, 255)
    rgba[:, 32:] = (0, 255, 0, 0)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    color, alpha = load_target(tmp_path / "a.png", 9)
    assert ((color[0] > 0.98) | (alpha < 0.02)).all()
    assert 0.3 < float(alpha.mean()) < 0.7


def test_jpeg_of_print_size_is_scaled_well(tmp_path: Path) -> None:
    y, x = np.mgrid[0:1:1200j, 0:1:1600j]
    pixels = np.rint(255 * np.dstack([x, y, x * y])).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    color, _ = load_target(tmp_path / "a.jpg", 80)
    assert color.shape == (3, 60, 80)
    ramp = np.linspace(0.5 / 80, 1 - 0.5 / 80, 80)
    assert float(np.abs(color[0] - ramp).max()) < 0.02


def test_masks_are_weights(tmp_path: Path) -> None:
    rgba = np.zeros((4, 8, 4), np.uint8)
    rgba[:, :4] = 255
    rgba[:, 6:, :3] = 255  # white, but transparent
    Image.fromarray(rgba).save(tmp_path / "mask.png")
    weight = load_mask(tmp_path / "mask.png", 2, 4)
    assert weight.tolist() == [[1, 1, 0, 0]] * 2
    Image.new("L", (3, 3)).save(tmp_path / "black.png")
    with pytest.raises(UserError, match="completely black"):
        load_mask(tmp_path / "black.png", 2, 4)


def test_saved_pictures_come_back_equal(tmp_path: Path) -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (7, 5, 4), np.uint8)
    save_png(tmp_path / "a.png", rgba)
    assert (load_rgba(tmp_path / "a.png") == rgba).all()
    save_png(tmp_path / "b.png", np.broadcast_to(np.array([-0.2, 0.5, 1.7], np.float32)[:, None, None], (3, 2, 2)))
    assert load_rgba(tmp_path / "b.png")[0, 0].tolist() == [0, 128, 255, 255]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def png_header(width: int, height: int) -> bytes:
    """Makes a PNG with a size in its header but hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.mark.timeout(10)
@pytest.mark.parametrize("size", [(20_000, 20_000), (100_000, 1), (2_000_000_000, 2_000_000_000)])
def test_a_too_large_picture_is_refused_by_its_header(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "a.png").write_bytes(png_header(*size))
    with pytest.raises(UserError, match=r"limit is 16,384 per side.*scale it to") as caught:
        load_target(tmp_path / "a.png", 512)
    assert f"{size[0]:,} x {size[1]:,} px" in caught.value.message


def test_a_picture_of_the_largest_side_is_read(tmp_path: Path) -> None:
    Image.new("L", (16_384, 3), 200).save(tmp_path / "a.png")
    assert load_target(tmp_path / "a.png", 512)[0].shape == (3, 1, 512)


def test_other_files_are_named(tmp_path: Path) -> None:
    jpeg = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(jpeg, "JPEG")
    contents = {
        "empty.png": b"",
        "text.png": b"hello",
        "short.jpg": jpeg.getvalue()[:700],
        "short.png": png_header(50, 50),
        "cut.png": png_header(50, 50)[:30],
        "new.dds": b"DDS " + struct.pack("<31I", 124, 0, 4, 4, *[0] * 14, 32, 1 << 31, *[0] * 11),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=r"cannot be read as a picture") as caught:
            load_rgba(tmp_path / name)
        assert name in caught.value.message
        assert "\n" not in caught.value.message
    with pytest.raises(UserError, match="There is no picture"):
        load_rgba(tmp_path / "missing.png")
    with pytest.raises(UserError, match="cannot be read"):
        load_rgba(tmp_path)
    (tmp_path / "zero.png").write_bytes(png_header(0, 4))
    with pytest.raises(UserError, match=r"zero\.png"):
        load_rgba(tmp_path / "zero.png")


def test_a_large_stamp_is_scaled_down(tmp_path: Path) -> None:
    Image.new("RGBA", (2 * MAX_STAMP, 300), (10, 20, 30, 255)).save(tmp_path / "banner.png")
    rgba = load_rgba(tmp_path / "banner.png")
    assert rgba.shape == (150, MAX_STAMP, 4)
    assert (rgba == (10, 20, 30, 255)).all()
