"""Pictures and movies that claim much: memory stays small, nothing is decoded in vain, a sentence tells the rest."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from backend.job import Clip, UserError
from backend.pictures import convert, durations, movies
from backend.pictures.images import load_mask, load_rgba, load_target
from backend.pictures.movies import Footage, frame_count, frame_rate, is_moving, load_masks, read_frames

from ..support.bombs import STATUS, peak_memory, write_gif, write_png
from .test_images import linear_profile

SIDE = 4096
MEGABYTE = 2**20


def slopes(width: int = 96, height: int = 64) -> Image.Image:
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return Image.fromarray(
        np.rint(255 * np.dstack([x, y, 1 - x, np.where(x > 0.5, 0.2 + 0.6 * y, 0.9)])).astype(np.uint8)
    )


def saved(folder: Path, kind: str) -> Path:
    """A picture of one kind, which is not the same upside down."""
    path = folder / "a.png"
    exif = Image.Exif()
    if kind == "turned":
        exif[0x0112] = 6
        slopes().save(path, exif=exif)
    elif kind == "profile":
        slopes().convert("RGB").save(path, icc_profile=linear_profile())
    elif kind == "palette":
        slopes().convert("RGB").quantize(7).save(path, transparency=2)
    else:
        Image.fromarray(np.asarray(slopes().convert("L")).astype(np.uint16) * 257).save(path)
    return path


@pytest.mark.parametrize("kind", ["turned", "profile", "palette", "16 bits"])
def test_strips_are_the_whole_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = saved(tmp_path, kind)
    whole, mask = load_rgba(path), load_mask(path, 20, 30)
    monkeypatch.setattr(convert, "_STRIP", 700)
    assert np.array_equal(load_rgba(path), whole)
    assert np.array_equal(load_mask(path, 20, 30), mask)


@pytest.mark.parametrize("kind", ["turned", "profile", "16 bits"])
def test_large_pictures_are_shrunk_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = saved(tmp_path, kind)
    expected = load_target(path, 24)
    monkeypatch.setattr(convert, "LARGE", 1000)
    monkeypatch.setattr(convert, "_STRIP", 700)
    for shown, known in zip(load_target(path, 24), expected, strict=True):
        assert shown.shape == known.shape
        difference = np.abs(shown - known)
        assert float(difference.mean()) < 0.01
        assert float(difference.max()) < 0.1  # Lanczos and area means differ at the edge


@pytest.mark.skipif(not STATUS.exists(), reason="only Linux tells the peak of memory")
@pytest.mark.parametrize(("bits", "color", "decoded"), [(16, 0, 2), (8, 0, 1), (8, 2, 4), (8, 6, 4)])
def test_memory_is_the_decoded_picture_and_little_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int, color: int, decoded: int
) -> None:
    monkeypatch.setattr(convert, "LARGE", 2**20)
    write_png(tmp_path / "small.png", 64, bits, color)
    write_png(tmp_path / "a.png", SIDE, bits, color)
    load_target(tmp_path / "small.png", 64)
    with peak_memory() as peak:
        load_target(tmp_path / "a.png", 256)
    assert peak() < decoded * SIDE**2 + 90 * MEGABYTE  # less than one more copy of 4 or 8 bytes a pixel and its strips


def animated(path: Path, **options: Any) -> None:
    frames = [Image.new("RGB", (16, 12), (40 * number, 9, 9)) for number in range(5)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 300, 40, 0, 770], **options)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "first.png", "a.webp", "a.avif"])
def test_durations_are_read_without_decoding(tmp_path: Path, name: str) -> None:
    animated(tmp_path / name, **({"default_image": True} if name == "first.png" else {}))
    known = []
    with Image.open(tmp_path / name) as image:
        for frame in ImageSequence.Iterator(image):
            frame.load()
            known.append(float(frame.info.get("duration", 0) or 0))
    found = durations.durations(tmp_path / name)
    assert found == pytest.approx([value if value > 10 else 100.0 for value in known])
    assert is_moving(tmp_path / name)
    assert frame_rate(tmp_path / name, Clip()) == pytest.approx(1000 * len(found) / sum(found))


def test_nothing_after_the_last_frame_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.gif"
    write_gif(path, 8, 2000)
    decoded = []
    load = Image.Image.convert

    def counted(self: Image.Image, *rest: Any) -> Image.Image:
        decoded.append(1)
        return load(self, *rest)

    monkeypatch.setattr(Image.Image, "convert", counted)
    assert [number for number, _ in read_frames(path, Clip(end=3))] == [1, 2, 3]
    assert len(decoded) < 20
    assert (frame_rate(path, Clip()), frame_count(path, Clip())) == (25.0, 2000)
    assert len(load_masks(path, Clip(), 2, 8, 8)) == 2
    assert len(decoded) < 40


@pytest.mark.parametrize("end", [0, 1000])
def test_frames_that_do_not_fit_on_the_disk_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: int
) -> None:
    path = tmp_path / "a.gif"
    write_gif(path, 8, 1200)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(0, 0, 100 * 8 * 8 * 4))
    with pytest.raises(UserError, match=r"1,\d00 frames of .*a\.gif at 8 x 8 px take .*fit fewer or smaller"):
        Footage(path, Clip(end=end), 8)
    # A head may claim less than there is.
    monkeypatch.setattr(movies, "frame_count", lambda *rest: 0)
    with pytest.raises(UserError, match=r"91 frames of .*a\.gif at 8 x 8 px"):
        Footage(path, Clip(end=end), 8)
    with Footage(path, Clip(end=90), 8) as footage:
        assert len(footage) == 90


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.timeout(20)
def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    for name in ("a.png", "a.mp4"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match=r"cannot be read as a picture.*it is not a file"):
        load_rgba(tmp_path / "a.png")
    with pytest.raises(UserError, match="is not a movie"):
        list(read_frames(tmp_path / "a.mp4", Clip()))


def test_playlists_and_programs_are_not_read(tmp_path: Path) -> None:
    """They would open other files, addresses or programs."""
    (tmp_path / "a.mp4").write_text(f"ffconcat version 1.0\nfile '{tmp_path}/secret.mkv'\n")
    (tmp_path / "b.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.ts\n#EXT-X-ENDLIST\n")
    for name in ("a.mp4", "b.mp4"):
        with pytest.raises(UserError, match="cannot be read as a movie"):
            list(read_frames(tmp_path / name, Clip()))
    (tmp_path / "a.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(UserError, match="cannot be read as a picture"):
        load_rgba(tmp_path / "a.png")


@pytest.mark.skipif(not STATUS.exists(), reason="only Linux tells the memory of a process")
@pytest.mark.parametrize("frame", [0, 1])
def test_a_gif_with_a_frame_that_is_larger_than_its_head_says_is_refused(tmp_path: Path, frame: int) -> None:
    path = tmp_path / "a.gif"
    write_gif(path, 8, 3)
    data = bytearray(path.read_bytes().replace(b"!\xf9\4\0", b"!\xf9\4\x08"))  # each frame is wiped after its time
    head = b",\0\0\0\0\x08\0\x08\0"
    at = data.index(head) if frame == 0 else data.index(head, data.index(head) + 1)
    data[at + 5 : at + 9] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    with peak_memory() as peak, pytest.raises(UserError, match=r"a\.gif cannot be read|the limit is 16,384 per side"):
        list(read_frames(path, Clip()))
    assert peak() < 100 * MEGABYTE


def test_a_movie_of_an_unknown_codec_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((24, 32, 3), np.uint8))))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes().replace(b"stbl", b"free"))  # what names the codec
    with pytest.raises(UserError, match=r"a\.mp4 is written in a way that FFmpeg does not know"):
        list(read_frames(path, Clip()))


def test_numbers_in_any_writing_are_sorted(tmp_path: Path) -> None:
    for name in ("10.png", "9.png", "\N{SUPERSCRIPT TWO}1.png", "\N{CIRCLED DIGIT ONE}.png"):
        slopes(4, 4).save(tmp_path / name)
    assert len(list(read_frames(tmp_path, Clip()))) == 4


def test_a_gif_that_ends_in_the_head_of_a_frame_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    write_gif(path, 8, 3)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b",\0\0\0\0") + 10])
    with pytest.raises(UserError, match=r"a\.gif cannot be read as a picture"):
        list(read_frames(path, Clip()))


def test_huge_frames_of_an_animated_picture_are_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    write_gif(path, 8, 3)
    data = bytearray(path.read_bytes())
    data[6:10] = struct.pack("<HH", 16_383, 16_383)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"16,383 x 16,383 px, too many .* at most 8,192 px"):
        list(read_frames(path, Clip(end=3)))
