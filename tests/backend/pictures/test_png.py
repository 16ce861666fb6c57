"""Our PNGs against Pillow's, both ways; broken ones are named."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.job import UserError
from backend.native.arrays import ByteArray
from backend.pictures import png
from backend.pictures.images import load_rgba, load_target
from backend.pictures.png import Damaged, PngWriter, opened_plain, png_bytes


def painting(height: int, width: int, channels: int) -> ByteArray:
    """Slopes, flat parts and noise, so that each filter of PNG is the best one somewhere."""
    y, x, channel = np.mgrid[:height, :width, :channels]
    noise = np.random.default_rng(3).integers(0, 256, (height, width, channels))
    parts = [x * 3 + channel * 40, y * 5 + channel, np.full_like(x, 77), noise, x * 2 + y * 3]
    return np.choose((y * 5 // height) % 5, parts).astype(np.uint8)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(kind: int, pixels: ByteArray) -> bytes:
    """A PNG of RGB whose rows all have one filter, by the formulas of the standard."""
    height, width, _ = pixels.shape
    rows = pixels.reshape(height, -1).astype(int)
    left = np.pad(rows, ((0, 0), (3, 0)))[:, :-3]
    above = np.pad(rows, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(rows, ((1, 0), (3, 0)))[:-1, :-3]
    guess = left + above - corner
    far = np.stack([abs(guess - left), abs(guess - above), abs(guess - corner)])
    paeth = np.choose(far.argmin(0), [left, above, corner])
    data = (rows - [np.zeros_like(rows), left, above, (left + above) // 2, paeth][kind]).astype(np.uint8)
    packed = zlib.compress(np.pad(data, ((0, 0), (1, 0)), constant_values=kind).tobytes())
    parts = [packed[at : at + 50] for at in range(0, len(packed), 50)]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(b"IDAT", part) for part in parts) + chunk(b"IEND", b"")


def read(data: bytes) -> ByteArray:
    plain = opened_plain(io.BytesIO(data))
    assert plain is not None
    return np.concatenate(list(plain.strips()))


@pytest.mark.parametrize("kind", range(5))
def test_every_filter_is_undone(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = painting(23, 17, 3)
    data = filtered(kind, pixels)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    assert np.array_equal(read(data)[..., :3], pixels)
    monkeypatch.setattr(png, "_STRIP", 40)  # two rows at a time
    assert np.array_equal(read(data)[..., :3], pixels)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pillow_and_we_read_the_same(mode: str) -> None:
    channels = len(mode)
    image = Image.fromarray(painting(41, 29, channels).squeeze(), mode)
    file = io.BytesIO()
    image.save(file, "PNG")
    assert np.array_equal(read(file.getvalue()), np.asarray(image.convert("RGBA")))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("level", [1, 6])
def test_what_we_write_comes_back(channels: int, level: int) -> None:
    pixels = painting(37, 53, channels)
    data = png_bytes(pixels, level)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    assert np.array_equal(read(data)[..., :channels], pixels)
    assert len(data) < 1.2 * len(pixels.tobytes())


def test_sixteen_bits_are_written_row_by_row() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 40, dtype=np.float32), (3, 6, 40))
    file = io.BytesIO()
    writer = PngWriter(file, 40, 6, 3, bits=16, resolution=300.0)
    for top in (0, 4):
        writer.write(ramp[:, top : min(top + 4, 6)])
    writer.finish()
    assert file.getvalue()[24] == 16
    image = Image.open(io.BytesIO(file.getvalue()))
    assert np.array_equal(np.asarray(image)[5, :, 1], np.rint(ramp[0, 0] * 65535).astype(int) >> 8)
    assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_others_are_left_to_pillow() -> None:
    image = Image.fromarray(painting(9, 9, 3))
    for options in (
        {"icc_profile": b"a profile"},
        {"transparency": (1, 2, 3)},
        {"exif": Image.Exif()},
        {"interlace": True},
    ):
        file = io.BytesIO()
        image.save(file, "PNG", **options)
        if "interlace" in options:  # which Pillow cannot write
            data = bytearray(file.getvalue())
            data[28] = 1
            data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
            file = io.BytesIO(bytes(data))
        if "exif" not in options or b"eXIf" in file.getvalue():
            file.seek(0)
            assert opened_plain(file) is None, options
    for other in (b"", b"GIF89a", image.convert("P").tobytes()):
        assert opened_plain(io.BytesIO(other)) is None


def test_damage_is_told() -> None:
    data = png_bytes(painting(30, 30, 3))
    middle = data.index(b"IDAT") + 40
    flipped = bytearray(data)
    flipped[middle] ^= 0x55
    for broken in (data[:middle], bytes(flipped), data[: data.index(b"IEND") - 30]):
        with pytest.raises((Damaged, zlib.error)):
            read(broken)
    unknown = filtered(0, np.full((2, 2, 3), 9, np.uint8))
    packed = zlib.compress(bytes([9, *[1] * 6] * 2))
    head = unknown[: unknown.index(b"IDAT") - 4]
    with pytest.raises(Damaged, match="unknown filter"):
        read(head + chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def test_arrays_are_pictures(tmp_path: Path) -> None:
    pixels = painting(12, 20, 4)
    np.save(tmp_path / "a.npy", pixels)
    assert np.array_equal(load_rgba(tmp_path / "a.npy"), pixels)
    color, alpha = load_target(tmp_path / "a.npy", 20)
    assert np.array_equal(color, pixels[..., :3].transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    assert alpha.shape == (12, 20)
    for name, wrong in (
        ("gray", pixels[..., 0]),
        ("float", pixels.astype(np.float32)),
        ("object", np.array([{}])),
        ("empty", pixels[:0]),
    ):
        np.save(tmp_path / f"{name}.npy", wrong, allow_pickle=True)
        with pytest.raises(UserError, match=rf"{name}\.npy"):
            load_rgba(tmp_path / f"{name}.npy")
    np.save(tmp_path / "long.npy", np.zeros((1, 16_385, 4), np.uint8))
    with pytest.raises(UserError, match="limit is 16,384 per side"):
        load_rgba(tmp_path / "long.npy")
    (tmp_path / "short.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:300])
    with pytest.raises(UserError, match="cannot be read as a picture"):
        load_rgba(tmp_path / "short.npy")
