"""GIF, WebP and MP4, read back by Pillow, by FFmpeg and by the project's own reader of clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from backend.__main__ import main
from backend.export import export
from backend.export.base import Cancelled
from backend.export.formats import animation
from backend.export.formats.animation import schedule
from backend.export.writers.gif import CLEAR, COLORS, GifWriter, Palette
from backend.export.writers.mp4 import ENCODERS, best_encoder
from backend.job import Clip, ExportSettings, UserError
from backend.job.layout import Layout
from backend.layouts.rendering import render_layout
from backend.pictures.movies import frame_rate, read_frames
from backend.templates import Templates

from ..support.layers import make_layout

ENDINGS = (".gif", ".webp", ".mp4")
FRAMES = 5

Pictures = list[NDArray[np.int64]]


def moving_layout(**changed: Any) -> tuple[Layout, Templates]:
    """Few large, smooth stamps over a visible background; the front one moves, the others stay."""
    settings = {"width": 64, "height": 48, "fps": 12.0, "background": (0.8, 0.78, 0.7), **changed}
    layout, noise = make_layout(count=9, frames=FRAMES, **settings)
    items = []
    for item in noise.items:
        rgba = item.rgba.copy()
        rgba[..., :3] = np.linspace(40, 220, rgba.shape[1])[:, None]
        items.append(replace(item, pixels=rgba))
    templates = Templates(items)
    for name in ("x", "y", "scale", "aspect", "rotation", "opacity", "color"):
        values = getattr(layout, name)
        values[1:] = values[:1]
    # A movie has one color for four pixels, which is far off where colors are loud and edges are many.
    layout.color = 0.3 + 0.4 * layout.color
    layout.scale[:] = 12.0
    layout.level[:] = 0
    layout.x[:, 0], layout.y[:, 0], layout.opacity[:, 0] = np.linspace(10, 50, FRAMES), 24.0, 1.0
    return layout, templates


def written(path: Path, layout: Layout, templates: Templates, **settings: Any) -> list[str]:
    return export(layout, templates, path, ExportSettings(threads=1, **settings)).remarks


def expected(layout: Layout, templates: Templates, transparent: bool = False) -> Pictures:
    """[h, w, 4] of each frame, 8 bits."""
    return [
        (render_layout(layout, templates, frame=frame, transparent=transparent) * 255)
        .round()
        .transpose(1, 2, 0)
        .astype(np.int64)
        for frame in range(len(layout.frames))
    ]


def shown(path: Path) -> Pictures:
    """[h, w, 4] of each frame, as Pillow shows it."""
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGBA")).astype(np.int64) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_frames_are_the_layout(tmp_path: Path, ending: str) -> None:
    layout, templates = moving_layout()
    path = tmp_path / f"a{ending}"
    assert written(path, layout, templates) == []
    assert frame_rate(path, Clip()) == pytest.approx(12.0, rel=0.01)
    found = [np.asarray(picture.convert("RGB")).astype(int) for _, picture in read_frames(path, Clip())]
    assert len(found) == FRAMES
    for picture, whole in zip(found, expected(layout, templates), strict=True):
        assert np.abs(picture - whole[..., :3]).mean() <= 2.0
        assert np.abs((picture - whole[..., :3]).mean((0, 1))).max() <= 1.5


@pytest.mark.parametrize("ending", ENDINGS)
def test_frames_and_their_rate_can_be_chosen(tmp_path: Path, ending: str) -> None:
    layout, templates = moving_layout()
    path = tmp_path / f"a{ending}"
    written(path, layout, templates, frames=(2, 4), fps=5.0, width=33)
    assert frame_rate(path, Clip()) == pytest.approx(5.0, rel=0.01)
    pictures = [picture for _, picture in read_frames(path, Clip())]
    # The height is 24.75 px, rounded; a movie's sides are even.
    assert [picture.size for picture in pictures] == [(34, 26) if ending == ".mp4" else (33, 25)] * 3


def test_a_webp_of_quality_100_is_exact(tmp_path: Path) -> None:
    layout, templates = moving_layout()
    for transparent in (False, True):
        written(tmp_path / "a.webp", layout, templates, quality=100, transparent=transparent)
        whole = expected(layout, templates, transparent)
        for picture, frame in zip(shown(tmp_path / "a.webp"), whole, strict=True):
            np.testing.assert_array_equal(picture[..., 3], frame[..., 3])
            np.testing.assert_array_equal(picture[frame[..., 3] > 0], frame[frame[..., 3] > 0])


def test_transparent_pictures(tmp_path: Path) -> None:
    layout, templates = moving_layout(transparent=True)
    whole = expected(layout, templates, transparent=True)
    written(tmp_path / "a.webp", layout, templates)
    for picture, frame in zip(shown(tmp_path / "a.webp"), whole, strict=True):
        np.testing.assert_array_equal(picture[..., 3], frame[..., 3])
    written(tmp_path / "a.gif", layout, templates)
    for picture, frame in zip(shown(tmp_path / "a.gif"), whole, strict=True):
        seen = frame[..., 3] >= 128
        np.testing.assert_array_equal(picture[..., 3], 255 * seen)
        assert np.abs(picture - frame)[seen, :3].mean() < 4.0
    written(tmp_path / "a.mp4", layout, templates)
    opaque = expected(layout, templates)
    for (_, read), frame in zip(read_frames(tmp_path / "a.mp4", Clip()), opaque, strict=True):
        assert np.abs(np.asarray(read.convert("RGB")) - frame[..., :3]).mean() <= 2.0


def test_still_parts_of_a_gif_do_not_change(tmp_path: Path) -> None:
    layout, templates = moving_layout()
    written(tmp_path / "a.gif", layout, templates)
    whole, found = expected(layout, templates), shown(tmp_path / "a.gif")
    with av.open(str(tmp_path / "a.gif")) as container:
        decoded = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
    for before, after in zip(range(FRAMES - 1), range(1, FRAMES), strict=True):
        still = (whole[before] == whole[after]).all(2)
        assert 0.3 < still.mean() < 1.0
        np.testing.assert_array_equal(found[before][still], found[after][still])
    for one, other in zip(found, decoded, strict=True):
        np.testing.assert_array_equal(one, other)


def test_equal_frames_keep_their_time(tmp_path: Path) -> None:
    layout, templates = moving_layout()
    layout.x[:, 0] = [20, 20, 20, 40, 40]
    for ending, unit in ((".gif", 100), (".webp", 1000)):
        path = tmp_path / f"a{ending}"
        written(path, layout, templates, quality=100)
        with Image.open(path) as image:
            total = 0
            for frame in ImageSequence.Iterator(image):
                frame.load()
                total += frame.info["duration"]
        assert total == pytest.approx(round(unit * FRAMES / 12) * 1000 / unit)
    empty, _ = make_layout(count=9, frames=2)
    empty.opacity[:] = 0.0
    written(tmp_path / "a.gif", empty, templates, transparent=True)
    assert not any(picture[..., 3].any() for picture in shown(tmp_path / "a.gif"))


@pytest.mark.parametrize(("loops", "gif", "webp"), [(0, 0, 0), (1, None, 1), (3, 2, 3)])
def test_loops_are_written(tmp_path: Path, loops: int, gif: int | None, webp: int) -> None:
    layout, templates = moving_layout()
    for ending, count in ((".gif", gif), (".webp", webp)):
        path = tmp_path / f"a{ending}"
        written(path, layout, templates, loops=loops)
        with Image.open(path) as image:
            assert image.info.get("loop") == count


@pytest.mark.parametrize("fps", [0.5, 7, 12, 24, 29.97, 30, 50, 60, 90, 120, 240])
@pytest.mark.parametrize(("ticks", "shortest"), [(100, 2), (1000, 11)])
def test_times_add_up(fps: float, ticks: int, shortest: int) -> None:
    for count in (1, 2, 3, 48, 101):
        times = schedule(count, fps, ticks, shortest)
        frames, durations = [frame for frame, _ in times], [duration for _, duration in times]
        assert sum(durations) == max(round(count * ticks / fps), shortest)
        assert min(durations) >= shortest
        assert frames == sorted(set(frames))
        assert frames[-1] == count - 1
        assert len(times) == count or ticks / fps < shortest
        starts = np.cumsum([0, *durations[:-1]])
        # The last frame may come early, to be seen at all.
        assert np.abs(starts - np.array(frames) * ticks / fps)[:-1].max(initial=0) <= 0.5


def test_frames_that_browsers_would_slow_down_are_left_out(tmp_path: Path) -> None:
    layout, templates = moving_layout()
    remarks = written(tmp_path / "a.gif", layout, templates, fps=100.0)
    assert remarks == ["3 of 5 frames were left out: browsers play at most 50 a second of this format"]
    assert len(shown(tmp_path / "a.gif")) == 2


def test_a_palette_finds_the_nearest_color() -> None:
    random = np.random.default_rng(1)
    samples = np.clip(random.normal(128, 40, (40, 50, 3)), 0, 255).astype(np.uint8)
    palette = Palette(samples.reshape(-1, 3))
    indices = palette.indices(samples)
    assert indices.max() < COLORS
    chosen = palette.colors[:COLORS].astype(int)
    distance = np.square(samples[..., None, :].astype(int) - chosen).sum(3)
    found = np.take_along_axis(distance, indices[..., None].astype(int), 2)[..., 0]
    assert np.sqrt(found).mean() < 1.15 * np.sqrt(distance.min(2)).mean()


@pytest.mark.parametrize("colors", [1, 2, 7, 200])
def test_flat_colors_stay_exact(colors: int) -> None:
    steps = np.linspace(0, 255, colors).round().astype(np.uint8)
    picture = np.stack([steps, steps[::-1], np.full_like(steps, 90)], 1)[None].repeat(16, 0).repeat(9, 1)
    palette = Palette(picture.reshape(-1, 3))
    found = palette.colors[palette.indices(picture)]
    assert np.abs(found.astype(int) - picture).max() <= (0 if colors < 10 else 2)


def test_a_gif_writes_only_what_changes(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, COLORS, (1, 64, 64), np.uint8).repeat(10, 0)
    for number in range(10):
        frames[number, 5, number] = 0
    path = tmp_path / "a.gif"
    palette = np.arange(768, dtype=np.uint8).reshape(256, 3)
    with open(path, "wb") as file:
        writer = GifWriter(file, 64, 64, palette)
        for frame in frames:
            writer.add(frame, 5)
        writer.finish()
    assert path.stat().st_size < 1.5 * 64 * 64 + 1000
    for picture, frame in zip(shown(path), frames, strict=True):
        np.testing.assert_array_equal(picture[..., :3], palette[frame])
    assert CLEAR not in frames


def test_a_movie_says_what_its_colors_are(tmp_path: Path) -> None:
    layout, templates = moving_layout()
    path = tmp_path / "a.mp4"
    written(path, layout, templates)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert [int(v) for v in (context.color_primaries, context.color_trc, context.colorspace)] == [1, 1, 1]
        assert int(context.color_range) == 1
        assert stream.frames == FRAMES
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_movie_without_h264(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, templates = moving_layout()
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    assert best_encoder() is ENCODERS[1]
    remarks = written(tmp_path / "a.mp4", layout, templates)
    assert remarks == ["There is no H.264 here: the movie is MPEG-4 Part 2, which browsers refuse"]
    whole = expected(layout, templates)
    for (_, picture), frame in zip(read_frames(tmp_path / "a.mp4", Clip()), whole, strict=True):
        assert np.abs(np.asarray(picture.convert("RGB")) - frame[..., :3]).mean() <= 4.0
    monkeypatch.setattr(av, "codecs_available", set())
    with pytest.raises(UserError, match="cannot write MP4"):
        written(tmp_path / "a.mp4", layout, templates)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_canceled_animation_leaves_no_file(tmp_path: Path, ending: str) -> None:
    layout, templates = moving_layout()

    def told(most: int) -> list[tuple[int, int]]:
        calls: list[tuple[int, int]] = []

        def tell(done: int, total: int) -> None:
            calls.append((done, total))
            if len(calls) > most:
                raise Cancelled

        export(layout, templates, tmp_path / f"a{ending}", ExportSettings(threads=1), tell)
        return calls

    for most in (0, 3, FRAMES):
        with pytest.raises(Cancelled):
            told(most)
        assert list(tmp_path.iterdir()) == []
    calls = told(100)
    assert [done for done, _ in calls] == list(range(len(calls)))
    assert {total for _, total in calls} == {calls[-1][0]}


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_pictures_too_large_for_a_format_are_refused(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, templates = moving_layout()
    monkeypatch.setattr(animation, "MAX_GIF", 63)
    monkeypatch.setattr(animation, "MAX_WEBP", 63)
    with pytest.raises(UserError, match=r"64 x 48 px, but .* has 63 a side at most"):
        written(tmp_path / f"a{ending}", layout, templates)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_still_layout_is_one_frame(tmp_path: Path, ending: str) -> None:
    layout, templates = make_layout(count=3, width=16, height=12)
    path = tmp_path / f"a{ending}"
    written(path, layout, templates)
    assert len(list(read_frames(path, Clip()) if ending == ".mp4" else shown(path))) == 1


def test_a_recorded_fit_becomes_an_animation(tmp_path: Path, stamp: Path, target: Path) -> None:
    folder, out = tmp_path / "fit", tmp_path / "x.gif"
    fit = ["fit", str(target), "--templates", str(stamp), "--out", str(folder), "--count", "20", "--size", "48"]
    assert main([*fit, "--iterations", "8", "--record", "4", "--threads", "1"]) == 0
    recording = Layout.load(folder / "recording")
    assert main(["export", str(folder / "recording"), "--out", str(out), "--threads", "1", "--fps", "5"]) == 0
    assert len(shown(out)) == len(recording.frames) > 2
