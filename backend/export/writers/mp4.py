"""MP4: H.264 in yuv420p, the pair that everything plays, tagged as BT.709."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from ...job import UserError
from ...native.arrays import ByteArray

_MOST_DENOMINATOR = 1001  # as in 24000/1001 frames per second, the oddest rate in use


@dataclass(frozen=True)
class Encoder:
    """An encoder of FFmpeg: its names, and the options that set its quality, at 100 and at 0."""

    name: str
    title: str
    names: tuple[str, ...]
    best: int
    worst: int

    def options(self, quality: int) -> dict[str, object]:
        """Returns the options for a quality of 1 to 100."""
        value = self.best + (100 - quality) * (self.worst - self.best) // 100
        return dict.fromkeys(self.names, str(value))


ENCODERS = (Encoder("libx264", "H.264", ("crf",), 6, 51), Encoder("mpeg4", "MPEG-4 Part 2", ("qmin", "qmax"), 1, 31))
"""The encoders to try, the better first. The second one is part of every FFmpeg."""


def best_encoder() -> Encoder:
    """Returns the best encoder of this FFmpeg. Raises UserError where it has none."""
    for encoder in ENCODERS:
        if encoder.name in av.codecs_available:
            return encoder
    raise UserError("The backend's FFmpeg cannot write MP4: export a WebP or a GIF instead")


class MovieWriter:
    """A movie, written from its first frame to its last."""

    def __init__(
        self, container: av.container.OutputContainer, encoder: Encoder, size: tuple[int, int], fps: float, quality: int
    ) -> None:
        """Opens the stream. size: width and height of the frames, px. quality: 1 to 100."""
        rate = Fraction(fps).limit_denominator(_MOST_DENOMINATOR)
        self._container = container
        self._stream = cast(av.VideoStream, container.add_stream(encoder.name, rate=rate))
        self._stream.options = encoder.options(quality)
        self._stream.width, self._stream.height = (side + side % 2 for side in size)
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709

    def add(self, picture: ByteArray) -> None:
        """Adds a frame: [h, w, 3], display-encoded; odd sides repeat their last row or column."""
        height, width = picture.shape[:2]
        even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._container.mux(self._stream.encode())


@contextmanager
def movie_writer(
    path: Path, encoder: Encoder, size: tuple[int, int], fps: float, quality: int
) -> Iterator[MovieWriter]:
    """Opens an MP4 that can be played while it loads. See MovieWriter.

    Raises UserError where the encoder takes no such size, OSError where the file cannot be written.
    """
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            writer = MovieWriter(container, encoder, size, fps, quality)
            yield writer
            writer.finish()
    except OSError:
        raise
    except FFmpegError as error:
        raise UserError(
            f"A movie of {size[0]} x {size[1]} px could not be written: choose a smaller width ({error})"
        ) from error
