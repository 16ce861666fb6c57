"""Generated movies, animated pictures and sequences are read back."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from PIL import Image

from backend.job import Action, Clip, UserError
from backend.pictures.movies import Footage, frame_rate, is_moving, load_masks, read_frames

COUNT, WIDTH, HEIGHT = 12, 48, 32


def level(number: int) -> int:
    """The gray value of frame `number` (from 1)."""
    return 20 * number


def frame(number: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Makes a frame that is gray by its number, and red at the top."""
    picture = Image.new("RGB", (width, height), (level(number),) * 3)
    picture.paste((200, 30, 30), (0, 0, width, height // 4))
    return picture


def write_movie(path: Path, codec: str = "libx264", pixels: str = "yuv420p", times: list[int] | None = None) -> None:
    """Writes a movie with 25 frames per second, or with frames at `times` in ms."""
    with av.open(str(path), "w") as container:
        stream = cast(av.VideoStream, container.add_stream(codec, rate=25))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        if codec == "libx264":
            stream.options = {"crf": "4", "bf": "2", "g": "6"}
        for index in range(COUNT):
            picture = av.VideoFrame.from_ndarray(np.asarray(frame(index + 1)), format="rgb24")
            picture.pts = 40 * index if times is None else times[index]
            picture.time_base = Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def gray(picture: Image.Image) -> int:
    """The gray value in the middle of the lower half."""
    return np.asarray(picture.convert("RGB"))[-6, picture.width // 2].astype(int).mean().round()


def numbers(path: Path, clip: Clip) -> list[tuple[int, int]]:
    """Returns the numbers that are read, and the frames by their gray values."""
    return [(number, round(gray(picture) / 20)) for number, picture in read_frames(path, clip)]


@pytest.mark.parametrize(("name", "codec", "pixels"), [("a.mp4", "libx264", "yuv420p"), ("a.mkv", "ffv1", "bgr0")])
def test_frames_are_read_by_number(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    path = tmp_path / name
    write_movie(path, codec, pixels)
    assert is_moving(path)
    assert frame_rate(path, Clip()) == pytest.approx(25.0, rel=0.01)
    assert numbers(path, Clip()) == [(n, n) for n in range(1, COUNT + 1)]
    assert numbers(path, Clip(start=4, end=10, step=3)) == [(4, 4), (7, 7), (10, 10)]


def test_colors_are_right(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_movie(path)
    _, picture = next(read_frames(path, Clip()))
    assert picture.mode == "RGBA"
    red = np.asarray(picture)[3, WIDTH // 2]
    assert np.abs(red[:3].astype(int) - (200, 30, 30)).max() <= 4  # BT.601, limited range, 4:2:0
    assert red[3] == 255


def test_frames_at_other_times_are_resampled(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    # Each frame lasts 40 ms, except for the third with 120 ms.
    times = [0, 40, 80, *(200 + 40 * i for i in range(COUNT - 3))]
    write_movie(path, "ffv1", "bgr0", times)
    found = numbers(path, Clip(fps=25.0))
    assert found[:7] == [(1, 1), (2, 2), (3, 3), (4, 3), (5, 3), (6, 4), (7, 5)]
    halved = numbers(path, Clip(fps=12.5))
    assert [number for number, _ in halved] == list(range(1, len(halved) + 1))
    assert abs(len(halved) - 7) <= 1


def test_animated_gifs_keep_their_timing(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    frames = [frame(n) for n in (1, 5, 9)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 300, 100], loop=0)
    assert is_moving(path)
    assert frame_rate(path, Clip()) == pytest.approx(6.0)
    assert numbers(path, Clip(fps=10.0)) == [(1, 1), (2, 5), (3, 5), (4, 5), (5, 9)]
    frames[0].save(tmp_path / "still.gif")
    assert not is_moving(tmp_path / "still.gif")


def test_folders_and_numbered_pictures(tmp_path: Path) -> None:
    for number in (8, 9, 10, 11, 13):
        frame(number).save(tmp_path / f"shot_{number}.png")
    (tmp_path / "notes.txt").write_text("x")
    assert is_moving(tmp_path)
    assert [found for _, found in numbers(tmp_path, Clip())] == [8, 9, 10, 11, 13]
    # From a file on, up to the first gap.
    assert [found for _, found in numbers(tmp_path / "shot_9.png", Clip())] == [9, 10, 11]
    assert frame_rate(tmp_path, Clip()) == 24.0
    (tmp_path / "job.json").write_text("{}")
    assert not is_moving(tmp_path)


def test_footage_gives_any_frame_at_the_size_of_the_canvas(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write_movie(path, "ffv1", "bgr0")
    with Footage(path, Clip(start=3), 24) as footage:
        assert (len(footage), footage.width, footage.height) == (10, 24, 16)
        assert footage.fps == pytest.approx(25, rel=0.01)
        assert footage.numbers == list(range(3, 13))
        for index in (9, 0, 4):
            color, alpha = footage[index]
            assert color.shape == (3, 16, 24)
            assert color[0, 12, 12] == pytest.approx(level(index + 3) / 255, abs=2 / 255)
            assert bool((alpha == 1).all())


def test_transparency_is_kept(tmp_path: Path) -> None:
    for number in (1, 2):
        picture = frame(number).convert("RGBA")
        picture.putalpha(100 * number)
        picture.save(tmp_path / f"{number}.png")
    with Footage(tmp_path, Clip(), WIDTH) as footage:
        assert [round(float(footage[i][1].mean()) * 255) for i in (0, 1)] == [100, 200]


def test_masks_are_one_picture_or_one_per_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write_movie(path, "ffv1", "bgr0")
    moving = load_masks(path, Clip(start=2), 5, 16, 24)
    assert [int(mask[12, 12]) for mask in moving] == pytest.approx([level(n) for n in range(2, 7)], abs=2)
    frame(3).save(tmp_path / "m.png")
    still = load_masks(tmp_path / "m.png", Clip(start=2), 5, 16, 24)
    assert len(still) == 5
    assert still[0] is still[4]
    with pytest.raises(UserError, match="has 12 frames, but the target has 13"):
        load_masks(path, Clip(), 13, 16, 24)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no movie .*gone.mp4"):
        list(read_frames(tmp_path / "gone.mp4", Clip()))
    (tmp_path / "bad.mp4").write_bytes(b"not a movie")
    with pytest.raises(UserError, match=r"bad.mp4 cannot be read as a movie"):
        list(read_frames(tmp_path / "bad.mp4", Clip()))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="has no pictures: choose a folder"):
        list(read_frames(empty, Clip()))
    path = tmp_path / "a.mkv"
    write_movie(path, "ffv1", "bgr0")
    with pytest.raises(UserError, match="has 12 frames, but the clip needs frame 20"):
        list(read_frames(path, Clip(end=20)))
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(UserError, match="has no pictures"):
        list(read_frames(tmp_path / "sound.mkv", Clip()))
    for number, size in ((1, 20), (2, 30)):
        frame(number, size).save(empty / f"{number}.png")
    with pytest.raises(UserError, match=r"Frame 2 of .* has another size than the first"):
        Footage(empty, Clip(), 20)


def test_a_png_is_no_clip_by_its_head_alone(tmp_path: Path) -> None:
    """No package is needed for that, and none is loaded."""
    frame(1).save(tmp_path / "still.png")
    frame(1).save(tmp_path / "moving.png", save_all=True, append_images=[frame(2)])
    (tmp_path / "other.png").write_bytes((tmp_path / "still.png").read_bytes()[:20])
    assert [is_moving(tmp_path / f"{name}.png") for name in ("still", "moving")] == [False, True]
    with pytest.raises(UserError, match="cannot be read as a picture"):
        is_moving(tmp_path / "other.png")
    code = "import sys; from pathlib import Path; from backend.pictures.moving import is_moving; "
    code += "is_moving(Path(sys.argv[1])); print({'PIL', 'av', 'cv2', 'torch'} & set(sys.modules))"
    command = [sys.executable, "-c", code, str(tmp_path / "still.png")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "set()"


def test_a_movie_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mp4"
    write_movie(path)
    monkeypatch.delitem(sys.modules, "backend.pictures.video", raising=False)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match="Movies need PyAV: press Install") as caught:
        list(read_frames(path, Clip()))
    assert caught.value.action == Action.INSTALL
