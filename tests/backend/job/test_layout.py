"""Layouts from anywhere: extreme numbers and archives that inflate are named before they do harm."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.job import BOUNDS, MOVING, Layout, UserError
from backend.job.arrays import read_arrays, write_arrays
from tests.backend.job.test_job import make_layout


def arrays_of(folder: Path) -> dict[str, Any]:
    with np.load(folder / "layout.npz") as archive:
        return dict(archive)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_layout().save(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in MOVING for value in (1e13, -1e13, 3e38, np.inf, -np.inf, np.nan)),
        *(("x", value) for value in (1.1e6, -1.1e6)),
        *(("scale", value) for value in (-1.0, 1.1e6)),
        *(("aspect", value) for value in (0.0, 1e-5, 2e4)),
        *((name, value) for name in ("opacity", "color") for value in (-0.01, 1.01)),
        *(("level", value) for value in (-1, 29, 2**31 - 1, 2**40, 1e30, np.nan)),
        *(("template", value) for value in (-1, 2**40, np.nan, -np.inf)),
        *(("region", value) for value in (-1, 2**31 - 1, np.nan)),
        *((name, 7) for name in ("mirror", "locked")),
        *(("depth", value) for value in (2**31, -(2**40), np.nan)),
    ],
)
def test_extreme_numbers_are_named(folder: Path, name: str, value: float) -> None:
    arrays = arrays_of(folder)
    changed = arrays.setdefault(name, np.zeros((2, 5))).astype(np.float64)
    changed.flat[-1] = value
    np.savez(folder / "layout.npz", **{**arrays, name: changed})
    with pytest.raises(UserError, match=f"layout.json: (a mip )?{name} (is|holds) .*: fit it again"):
        Layout.load(folder)


def test_numbers_at_their_bounds_are_read(folder: Path) -> None:
    for side in (0, 1):
        for name in MOVING:
            arrays = arrays_of(folder)
            arrays[name][...] = BOUNDS[name][side]
            np.savez(folder / "layout.npz", **arrays)
            assert (getattr(Layout.load(folder), name) == arrays[name]).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": []}, "shape|frames is"),
        ({"frames": [4, 3]}, "frames is .*in order"),
        ({"frames": [3, 3]}, "frames is .*in order"),
        ({"frames": [3, 10**9]}, "frames is 1e"),
        ({"frames": [-(10**9), 3]}, "frames is -1e"),
        ({"frames": [1]}, "shape"),
        ({"frames": {}}, "frames is"),
        ({"background": [0, 0, 1e9]}, "background is 1e"),
        ({"fps": 1e300}, "fps is"),
        ({"width": 2**40}, "width is"),
        ({"x": [[1.0]]}, "unknown key 'x'"),
        ({"depth": [[1]]}, "unknown key 'depth'"),
        ({"templates": []}, "a stamp that it does not have"),
        ({"templates": [{"file": "a.png"}] * 2}, "has no size"),
        ({"templates": [{"file": "a.png", "width": 2**20, "height": 1}] * 2}, "width of the stamp .* is"),
        ({"templates": [{"file": "a.png", "name": "n" * 300, "width": 2, "height": 1}] * 2}, "short name"),
        ({"templates": [{"file": "a.png", "name": "\ud800", "width": 2, "height": 1}] * 2}, "name|is no text"),
    ],
)
def test_extreme_facts_are_named(folder: Path, changes: dict[str, Any], words: str) -> None:
    facts = json.loads((folder / "layout.json").read_text())
    (folder / "layout.json").write_text(json.dumps({**facts, **changes}))
    with pytest.raises(UserError, match=words) as caught:
        Layout.load(folder)
    assert len(caught.value.message) < 400 + len(str(folder))


def archive_of(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return data.getvalue()


def members_of(folder: Path) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(folder / "layout.npz") as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def npy(array: Any) -> bytes:
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


def headed(text: str, content: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """Returns a .npy file of any header."""
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
    return b"\x93NUMPY" + version + length + text.encode() + content


def with_x(content: bytes) -> Callable[[list[tuple[str, bytes]]], bytes]:
    def changed(members: list[tuple[str, bytes]]) -> bytes:
        return archive_of([(name, content if name == "x.npy" else data) for name, data in members])

    return changed


HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }\n"


@pytest.mark.parametrize(
    "make",
    [
        lambda members: npy(np.zeros(3)),
        lambda members: archive_of([]),
        lambda members: archive_of(members[1:]),
        lambda members: archive_of([*members, members[0]]),
        lambda members: archive_of([(name.upper(), data) for name, data in members]),
        lambda members: archive_of([*members, ("../x.npy", npy(np.zeros(3)))]),
        lambda members: archive_of([(f"{number}.npy", npy(np.zeros(3))) for number in range(1000)]),
        lambda members: archive_of(members, zipfile.ZIP_LZMA),
        lambda members: archive_of(members, zipfile.ZIP_BZIP2)[:-30],
        with_x(b""),
        with_x(archive_of([("x.npy", npy(np.zeros((2, 5))))])),
        with_x(npy(np.zeros((2, 5)))[:-1]),
        with_x(npy(np.zeros((2, 5))) + b"more"),
        with_x(npy(np.zeros((2, 5), "c16"))),
        with_x(npy(np.zeros((2, 5), "S4"))),
        with_x(npy(np.zeros((2, 5), "M8[s]"))),
        with_x(npy(np.zeros((2, 5), [("a", "f4")]))),
        with_x(npy(np.array([[{}]], object))),
        with_x(headed(HEADER % "2, 5")),
        with_x(headed(HEADER % f"{10**12}, {10**12}")),
        with_x(headed(HEADER % ("9" * 3000))),
        with_x(headed(HEADER % "-2, 5")),
        with_x(headed("(" * 30_000)),
        with_x(headed("-" * 60_000 + "1")),
        with_x(headed("__import__('os').getcwd()")),
        with_x(headed(HEADER % "2, 5", bytes(40), b"\3\0")),
        with_x(headed("", b"", b"\2\0")[:9]),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_of_anything_else_is_named(folder: Path, make: Callable[[Any], bytes]) -> None:
    (folder / "layout.npz").write_bytes(make(members_of(folder)))
    with pytest.raises(UserError, match=r"layout") as caught:
        Layout.load(folder)
    assert len(caught.value.message) < 400 + 2 * len(str(folder))


def peak(act: Callable[[], object]) -> float:
    """Returns the greatest memory that a call takes, MB."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_an_archive_that_inflates_a_lot_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.job.arrays.USUAL_BYTES", 5_000_000)
    many = {name: np.repeat(array, 20_000, int(name in MOVING)) for name, array in arrays_of(folder).items()}
    np.savez_compressed(folder / "layout.npz", **{name: np.zeros_like(array) for name, array in many.items()})

    def load() -> None:
        with pytest.raises(UserError, match=r"layout .* is too large: its arrays take \d+ MB - fit fewer"):
            Layout.load(folder)

    assert peak(load) < 1.0
    # As a fit writes it, it may be of any size.
    np.savez(folder / "layout.npz", **many)
    size = (folder / "layout.npz").stat().st_size / 1e6
    assert peak(lambda: Layout.load(folder)) < 1.5 * size


def test_an_archive_that_inflates_more_than_it_says_is_read_no_further(folder: Path) -> None:
    whole = npy(np.zeros((2, 5), np.float32))
    data = bytearray(archive_of([("x.npy", whole + bytes(50_000_000))], zipfile.ZIP_DEFLATED))
    directory = data.index(b"PK\1\2")
    data[directory + 24 : directory + 28] = struct.pack("<I", len(whole))
    (folder / "layout.npz").write_bytes(data)

    def load() -> None:
        with pytest.raises(UserError, match=r"cannot be read as a layout"):
            read_arrays(folder / "layout.npz", lambda shapes: None)

    assert peak(load) < 10.0


@pytest.mark.parametrize("kind", ["<f2", "<f4", ">f4", "<f8", "<i4", ">i8", "|u1", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_arrays_come_back_as_numpy_wrote_them(tmp_path: Path, kind: str, order: Any, shape: tuple[int, ...]) -> None:
    values = np.asarray(np.random.default_rng(3).integers(0, 2, shape), kind, order=order)
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "a.npz", values=values)
        (name,), (array,) = zip(*read_arrays(tmp_path / "a.npz", lambda shapes: None).items(), strict=True)
        assert name == "values"
        assert array.dtype == values.dtype
        np.testing.assert_array_equal(array, values)


def test_arrays_are_written_as_numpy_writes_them_with_no_copy_in_memory(folder: Path) -> None:
    arrays = arrays_of(folder) | {"large": np.zeros((1, 12_000_000), np.float32)}
    np.savez(folder / "theirs.npz", **arrays)
    assert peak(lambda: write_arrays(folder / "ours.npz", arrays)) < 36.0  # MB, of 48
    assert (folder / "ours.npz").read_bytes() == (folder / "theirs.npz").read_bytes()


def test_a_byte_that_is_no_bool_becomes_one(folder: Path) -> None:
    arrays = arrays_of(folder)
    arrays["mirror"] = np.array([0, 1, 2, 255, 0], np.uint8).view(np.bool_)
    np.savez(folder / "layout.npz", **arrays)
    assert Layout.load(folder).mirror.view(np.uint8).tolist() == [0, 1, 1, 1, 0]


def test_an_empty_layout_is_read(tmp_path: Path) -> None:
    layout = make_layout()
    none = {name: getattr(layout, name)[:, :0] for name in MOVING}
    none |= {name: getattr(layout, name)[:0] for name in ("template", "level", "region", "mirror", "locked")}
    replace(layout, **none).save(tmp_path)
    assert Layout.load(tmp_path).count == 0
