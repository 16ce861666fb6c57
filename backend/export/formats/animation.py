"""All frames of a layout as an animated picture or a movie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from ...job import written_aside
from ...native.arrays import ByteArray
from ...pictures.png import pixels_of
from ..base import Export, Exporter
from ..writers.gif import CLEAR, MAX_GIF, GifWriter, Palette

MAX_WEBP = 16383
"""Longest side of a WebP, px."""

GIF_TICKS, GIF_SHORTEST = 100, 2
"""Ticks per second, and in the shortest frame: browsers show frames of one tick for ten."""

WEBP_TICKS, WEBP_SHORTEST = 1000, 11
"""Ticks per second, and in the shortest frame: browsers show frames of ten ticks or less for a hundred."""

OPAQUE = 128
"""Least alpha of a pixel that a GIF shows."""

_SAMPLES = 2**18
"""About how many pixels of all frames a GIF's palette is made of: more take long, and change little."""

_SAMPLE_SIDE = 192
"""Longer side of the small pictures from which the palette's pixels are taken, px."""

_WEBP_EFFORT = 4  # of 0 to 6


def export_gif(task: Export) -> None:
    """Writes a GIF with one palette for all frames; without the background, each pixel is opaque or transparent."""
    task.check_size(MAX_GIF, "a GIF")
    total = len(task.layout.frames)
    palette = Palette(_samples(task, 2 * total))
    with written_aside(task.path) as aside, open(aside, "wb") as file:
        writer = GifWriter(file, *task.size, palette.colors, loops=task.settings.loops)
        for done, (frame, ticks) in enumerate(_timed(task, GIF_TICKS, GIF_SHORTEST)):
            task.tell(total + done, 2 * total)
            picture = _picture(task, frame)
            indices = palette.indices(picture[..., :3])
            if task.transparent:
                indices = np.where(picture[..., 3] < OPAQUE, np.uint8(CLEAR), indices)
            writer.add(indices, ticks, transparent=task.transparent)
        writer.finish()
        task.tell(2 * total, 2 * total)


def export_webp(task: Export) -> None:
    """Writes a WebP, with alpha where the background is left out; quality 100 is lossless."""
    task.check_size(MAX_WEBP, "a WebP")
    times = _timed(task, WEBP_TICKS, WEBP_SHORTEST)
    quality = task.settings.quality
    with written_aside(task.path) as aside:
        _Frames(task, [frame for frame, _ in times]).save(
            aside,
            "WEBP",
            save_all=True,
            duration=[ticks for _, ticks in times],
            loop=task.settings.loops,
            quality=quality,
            lossless=quality == 100,
            method=_WEBP_EFFORT,
        )
        task.tell(len(times), len(times))


def export_mp4(task: Export) -> None:
    """Writes a movie with even sides, always over the background."""
    from ..writers.mp4 import ENCODERS, best_encoder, movie_writer

    opaque = replace(task, settings=replace(task.settings, transparent=False))
    encoder, total = best_encoder(), len(task.layout.frames)
    if encoder is not ENCODERS[0]:
        missing = ENCODERS[0].title
        task.remarks.append(f"There is no {missing} here: the movie is {encoder.title}, which browsers refuse")
    with (
        written_aside(task.path) as aside,
        movie_writer(aside, encoder, task.size, _fps(task), task.settings.quality) as writer,
    ):
        for frame in range(total):
            task.tell(frame, total)
            writer.add(_picture(opaque, frame))
        task.tell(total, total)


def schedule(count: int, fps: float, ticks: int, shortest: int) -> list[tuple[int, int]]:
    """Returns which of `count` frames are shown, and for how many ticks each; together they last as long as the clip.

    Frames that would be shown for less than the shortest time are left out, except the last one.
    """
    starts = [round(frame * ticks / fps) for frame in range(count + 1)]
    end = max(starts.pop(), shortest)
    shown: list[tuple[int, int]] = []  # frame, start
    for frame, start in enumerate(starts):
        if not shown or start - shown[-1][1] >= shortest:
            shown.append((frame, start))
    last = count - 1
    if shown[-1][0] != last:
        shown[-1] = last, shown[-1][1]
    if len(shown) > 1 and end - shown[-1][1] < shortest:
        shown[-2:] = [(last, shown[-2][1])]
    ends = [start for _, start in shown[1:]] + [end]
    return [(frame, until - start) for (frame, start), until in zip(shown, ends, strict=True)]


class _Frames(Image.Image):
    """The frames of an export as an animation for Pillow, rendered on demand, so that only one is in memory."""

    def __init__(self, task: Export, frames: list[int]) -> None:
        super().__init__()
        self._task, self._numbers = task, frames
        self.n_frames = len(frames)
        self._position = -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Goes to a frame, by its place in the animation. After the last one Pillow goes back, which needs no frame."""
        if frame > self._position:
            self._task.tell(frame, self.n_frames)
            shown = Image.fromarray(_picture(self._task, self._numbers[frame]))
            self.im, self._mode, self._size = shown.im, shown.mode, shown.size
            self._position = frame

    def tell(self) -> int:
        """Returns the place of the current frame; the name is Pillow's."""
        return self._position


def _fps(task: Export) -> float:
    return task.settings.fps or task.layout.fps


def _timed(task: Export, ticks: int, shortest: int) -> list[tuple[int, int]]:
    """Returns the schedule of the frames; adds a remark where some are left out."""
    total = len(task.layout.frames)
    times = schedule(total, _fps(task), ticks, shortest)
    if len(times) < total:
        task.remarks.append(
            f"{total - len(times)} of {total} frames were left out: browsers play at most "
            f"{ticks // shortest} a second of this format"
        )
    return times


def _picture(task: Export, frame: int, **options: int) -> ByteArray:
    """Renders a frame, by its number from 0: [h, w, 3], or straight RGBA [h, w, 4] without the background."""
    channels = 4 if task.transparent else 3
    return np.concatenate([pixels_of(strip[:channels]) for strip in task.strips(frame, **options)])


def _samples(task: Export, steps: int) -> ByteArray:
    """Returns visible pixels [N, 3] of all frames, at least one. steps: of the whole export; these come first."""
    width, height = task.size
    small = max(1, round(width * min(1.0, _SAMPLE_SIDE / max(width, height))))
    total = len(task.layout.frames)
    most = max(1, _SAMPLES // total)
    samples = [np.zeros((0, 3), np.uint8)]
    for frame in range(total):
        task.tell(frame, steps)
        picture = _picture(task, frame, width=small, supersample=1)
        seen = picture[picture[..., 3] >= OPAQUE, :3] if task.transparent else picture.reshape(-1, 3)
        samples.append(seen[np.linspace(0, len(seen) - 1, min(most, len(seen))).astype(np.int64)])
    result = np.concatenate(samples)
    return result if len(result) else np.zeros((1, 3), np.uint8)


EXPORTERS: dict[str, Exporter] = {".gif": export_gif, ".webp": export_webp, ".mp4": export_mp4}
