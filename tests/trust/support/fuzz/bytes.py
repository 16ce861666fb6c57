"""Damages binary files: pictures, movies and archives of arrays."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile
import zlib
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]
CLAIMS = (0, 1, 2, 3, 255, 4096, 16384, 16385, 32767, 32768, 65535, 100_000, 2**31 - 1, 2**31, 2**32 - 1)
"""Sizes that headers claim."""


def flipped(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Returns data with bytes changed, removed or added at random."""
    if not data:
        return b"\0", "a byte"
    changed = bytearray(data)
    way = rng.choice(("bits", "bytes", "cut", "hole", "more", "start", "number"))
    place = rng.randrange(len(data))
    if way == "bits":
        for _ in range(rng.choice((1, 3, 20))):
            changed[rng.randrange(len(data))] ^= 1 << rng.randint(0, 7)
    elif way == "bytes":
        for _ in range(rng.choice((1, 10, 100))):
            changed[rng.randrange(len(data))] = rng.choice((0, 1, 127, 128, 255, rng.randint(0, 255)))
    elif way == "cut":
        del changed[place:]
    elif way == "hole":
        del changed[place : place + rng.choice((1, 4, 100))]
    elif way == "more":
        changed[place:place] = rng.randbytes(rng.choice((1, 4, 1000)))
    elif way == "start":  # where the headers are
        for _ in range(3):
            changed[rng.randrange(min(64, len(data)))] = rng.randint(0, 255)
    else:
        size = rng.choice((2, 4, 8))
        value = rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63)) % (1 << 8 * size)
        changed[place : place + size] = value.to_bytes(size, rng.choice(("little", "big")))
    return bytes(changed), f"{way} at {place}"


def pictures() -> dict[str, bytes]:
    """Returns small pictures that are whole, by the ending of their names."""
    y, x = np.mgrid[:24, :32]
    rgba = np.stack([x * 8, y * 10, x * y % 256, 255 - x], 2).astype(np.uint8)
    full, found = Image.fromarray(rgba), dict[str, bytes]()
    frames = [Image.fromarray(np.roll(rgba, 5 * shift, 1)).convert("RGB") for shift in range(4)]
    ways: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "a.png": (full, {}),
        "b.png": (full.convert("P"), {}),
        "c.png": (Image.fromarray((x * 2000).astype(np.uint16)), {}),
        "d.png": (full.convert("RGB"), {"icc_profile": b"profile" * 20, "dpi": (1, 1)}),
        "e.png": (frames[0], {"save_all": True, "append_images": frames[1:]}),
        "a.jpg": (full.convert("RGB"), {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"}),
        "b.jpg": (full.convert("CMYK"), {"progressive": True}),
        "a.gif": (frames[0], {"save_all": True, "append_images": frames[1:], "duration": 40}),
        "a.webp": (full, {}),
        "b.webp": (frames[0], {"save_all": True, "append_images": frames[1:]}),
        "a.tif": (full, {}),
        "b.tif": (full.convert("RGB"), {"compression": "tiff_lzw"}),
        "a.bmp": (full.convert("RGB"), {}),
        "a.tga": (full, {"compression": "tga_rle"}),
        "a.ico": (full, {}),
        "a.ppm": (full.convert("RGB"), {}),
    }
    kinds = {"jpg": "JPEG", "tif": "TIFF"}
    for name, (image, options) in ways.items():
        ending, file = name.rpartition(".")[2], io.BytesIO()
        image.save(file, kinds.get(ending, ending.upper()), **options)
        found[name] = file.getvalue()
    return found


def movies() -> dict[str, bytes]:
    """Returns short movies that are whole."""
    found = {}
    for name, codec in (("a.mp4", "mpeg4"), ("a.webm", "libvpx"), ("a.avi", "mjpeg"), ("a.mkv", "ffv1")):
        file = io.BytesIO()
        with av.open(
            file, "w", options={"fflags": "bitexact"}, format={"mkv": "matroska"}.get(name[2:], name[2:])
        ) as container:
            stream: Any = container.add_stream(codec, rate=10)
            stream.width, stream.height = 32, 24
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for number in range(4):
                gray = np.full((24, 32, 3), 60 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(gray, format="rgb24")))
            container.mux(stream.encode())
        found[name] = file.getvalue()
    return found


def claiming(name: str, data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Returns a picture whose header claims another size."""
    width, height = rng.choice(CLAIMS), rng.choice(CLAIMS)
    if width == height == 16384:
        height = 4096  # a GIF goes on without data, and takes seconds to fill such an area
    changed, ending = bytearray(data), name.rpartition(".")[2]
    short = width % 65536, height % 65536
    if ending == "png":
        changed[16:24] = struct.pack(">II", width, height)
        changed[29:33] = struct.pack(">I", zlib.crc32(changed[12:29]))
    elif ending == "jpg":
        place = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        changed[place + 5 : place + 9] = struct.pack(">HH", short[1], short[0])
    elif ending == "gif":
        changed[6:10] = struct.pack("<HH", *short)
    elif ending == "bmp":
        changed[18:26] = struct.pack("<II", width, height)
    elif ending == "tga":
        changed[12:16] = struct.pack("<HH", *short)
    elif ending == "ppm":
        return f"P6\n{width} {height}\n255\n".encode() + data[12:], f"claims {width} x {height}"
    else:
        return flipped(data, rng)
    return bytes(changed), f"claims {width} x {height}"


def pieces(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Returns a PNG with a chunk that is left out, doubled, moved, or full of what expands."""
    chunks, place = [], 8
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        chunks.append(data[place : place + 12 + size])
        place += 12 + size
    number = rng.randrange(len(chunks))
    way = rng.choice(("without", "doubled", "first", "bomb"))
    if way == "without":
        del chunks[number]
    elif way == "doubled":
        chunks.insert(number, chunks[number])
    elif way == "first":
        chunks.insert(0, chunks.pop(number))
    else:
        kind, head = rng.choice(((b"zTXt", b"a\0\0"), (b"iCCP", b"a\0\0")))
        body = kind + head + zlib.compress(bytes(30_000_000), 9)
        chunks.insert(1, struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
    return data[:8] + b"".join(chunks), f"{way} {number}"


EXTREMES = (0.0, -0.0, 1e-38, -1.0, 1e13, -1e13, 2.0**24 + 2, 2.0**31, 3e38, float("nan"), float("inf"), -float("inf"))


def archive(arrays: dict[str, Array], rng: random.Random) -> tuple[bytes, str]:
    """Returns an archive of a layout's arrays with something wrong, and what it is."""
    arrays = {name: array.copy() for name, array in arrays.items()}
    name = rng.choice(list(arrays))
    way = rng.choice(("values", "values", "values", "type", "shape", "without", "more", "file", "flipped", "zip"))
    if way == "values":
        said = [_extreme(arrays, rng) for _ in range(rng.choice((1, 1, 2, 4)))]
        return packed(arrays), ", ".join(said)
    if way == "type":
        kind = rng.choice(("c16", "S4", "U4", "i1", "u8", "f2", "M8[s]", "?", "V3"))
        arrays[name] = np.zeros(arrays[name].shape, kind)
        return packed(arrays), f"{name} of the type {kind}"
    if way == "shape":
        shape = rng.choice(
            ((), (0,), (1,), (1, 1), (0, 5), (1, 10**6), (3, 3, 3, 3), arrays[name].shape[::-1], (2**20,))
        )
        arrays[name] = np.ones(shape, arrays[name].dtype)
        return packed(arrays), f"{name} of the shape {shape}"
    if way == "without":
        del arrays[name]
        return packed(arrays), f"without {name}"
    if way == "more":
        arrays[rng.choice(("width", "unknown", "templates", "../a", "file", "x" * 300))] = arrays[name]
        return packed(arrays), "one array more"
    if way == "file":
        return _single(arrays[name], rng), "one array that is no archive"
    if way == "flipped":
        return flipped(packed(arrays), rng)
    return _odd_zip(arrays, name, rng)


def _extreme(arrays: dict[str, Array], rng: random.Random) -> str:
    name = rng.choice(list(arrays))
    array = arrays[name]
    value = rng.choice(EXTREMES)
    if array.dtype.kind in "iu":
        value = rng.choice((-1, 1, 7, 30, 100, 2**31 - 1, -(2**31)))
    if array.dtype.kind != "b" and array.size:
        where = slice(None) if rng.random() < 0.4 else rng.randrange(array.size)
        array.reshape(-1)[where] = value
    return f"{name} = {value}"


def _single(array: Array, rng: random.Random) -> bytes:
    """A plain .npy: one that is whole, or whose header claims a terabyte."""
    file = io.BytesIO()
    np.save(file, array)
    data = file.getvalue()
    return data if rng.random() < 0.5 else data.replace(b"(1, ", b"(1000000000000, ", 1)


def _odd_zip(arrays: dict[str, Array], name: str, rng: random.Random) -> tuple[bytes, str]:
    way = rng.choice(("bomb", "terabyte", "pickle", "twice", "encrypted", "outside", "not an array"))
    file = io.BytesIO(packed(arrays))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as target:
        if way == "twice":
            target.writestr(zipfile.ZipInfo(f"{name}.npy"), b"")
        elif way == "outside":
            target.writestr(zipfile.ZipInfo("../../outside.npy"), b"a" * 100)
        elif way == "not an array":
            target.writestr(zipfile.ZipInfo("frames.npy"), b"\x93NUMPY\x01\0" + b"x" * 50)
        elif way == "terabyte":
            target.writestr(zipfile.ZipInfo("color.npy"), _single(np.zeros((1, 5), np.float32), random.Random(1)))
        elif way == "pickle":
            data = io.BytesIO()
            np.save(data, np.array([{}], object), allow_pickle=True)
            target.writestr(zipfile.ZipInfo("frames.npy"), data.getvalue())
        elif way == "bomb":
            head = io.BytesIO()
            np.save(head, np.zeros(1, np.uint8))
            text = head.getvalue()[:-1].replace(b"(1,)", b"(300000000,)").replace(b" " * 9 + b"\n", b" \n")
            target.writestr(zipfile.ZipInfo("frames.npy"), text + bytes(300_000_000), zipfile.ZIP_DEFLATED, 1)
    data_ = bytearray(file.getvalue())
    if way == "encrypted":
        data_[6] |= 1
    return bytes(data_), way


def packed(arrays: dict[str, Array]) -> bytes:
    file = io.BytesIO()
    # Not savez(**arrays): a name may be "file".
    with zipfile.ZipFile(file, "w") as target:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.save(data, array, allow_pickle=False)
            target.writestr(zipfile.ZipInfo(f"{name}.npy"), data.getvalue())  # without the time
    return file.getvalue()
