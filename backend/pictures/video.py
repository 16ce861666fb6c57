"""Movies, decoded to the exact frame by FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.error import FFmpegError
from av.video.reformatter import Interpolation
from PIL import Image

from ..job import UserError
from .convert import LARGE
from .images import check_size

HIGH_DEFINITION = 720
"""The least height at which an unmarked movie has the colors of BT.709 instead of BT.601, px."""

_EXACT = int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)
"""Flags of FFmpeg's color conversion: without the last two, movies become a level too dark."""

_FORMATS = "mov,matroska,avi,mpeg,mpegvideo,mpegts,ogg,flv,asf"
"""FFmpeg's names of what is read: playlists and scripts, which name other files and addresses, are not."""


class Movie:
    """An open movie."""

    def __init__(self, path: Path, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._path, self._container, self._stream = path, container, stream

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        average, guessed = self._stream.average_rate, self._stream.guessed_rate
        # A pause lowers the average below the real rate.
        if average and guessed and average < guessed < 2 * average:
            return guessed
        return average or guessed or Fraction(24)

    @property
    def seconds(self) -> Fraction | float:
        """The length as far as the head of the file knows; 0 = unknown."""
        own = (self._stream.duration or 0) * (self._stream.time_base or 0)
        return own or (self._container.duration or 0) / av.time_base

    def frames(self, size: int) -> Iterator[tuple[float, Image.Image | None]]:
        """Yields the frames as movies.TimedFrame. size: see movies.read_frames."""
        path, stream = self._path, self._stream
        first, length = None, 1.0 / float(self.rate)
        number, seconds = 0, 0.0
        try:
            for number, frame in enumerate(self._container.decode(stream), 1):
                if frame.pts is None or frame.time_base is None:
                    seconds = (number - 1) / float(self.rate)
                else:
                    seconds = float(frame.pts * frame.time_base)
                    length = float(frame.duration * frame.time_base) or length
                first = seconds if first is None else first
                check_size(path, *_shown(frame.width, frame.height, stream.sample_aspect_ratio))
                yield seconds - first, _upright(frame, stream.sample_aspect_ratio, size)
        except FFmpegError as error:
            raise UserError(
                f"{path} is damaged after frame {number}: save it again or end before it ({error})"
            ) from error
        if number == 0:
            raise UserError(f"{path} has no frames: choose another movie")
        yield seconds - (first or 0.0) + length, None


@contextmanager
def movie(path: Path) -> Iterator[Movie]:
    """Opens a movie. Raises UserError where it is missing, damaged, or no movie, also for errors within the block."""
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is not a movie: choose another, or a folder of pictures")
    try:
        with av.open(str(path), options={"format_whitelist": _FORMATS}) as container:
            if not container.streams.video:
                raise UserError(f"{path} has no pictures: choose a movie or a folder of pictures")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise UserError(f"{path} is written in a way that FFmpeg does not know: save it again as MP4")
            check_size(path, *_shown(stream.width, stream.height, stream.sample_aspect_ratio))
            # Threads that decode a frame each hold several frames.
            stream.thread_type = "SLICE" if stream.width * stream.height > LARGE else "AUTO"
            yield Movie(path, container, stream)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"There is no movie {path}: choose one that exists") from error
    except (FFmpegError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a movie: save it again or choose another ({error})") from error


def packet_milliseconds(path: Path) -> list[float]:
    """Returns the duration of each frame of an AVIF sequence, ms; no frame is decoded."""
    with av.open(str(path), format="mov") as container:
        stream = max(container.streams.video, key=lambda stream: stream.frames)
        return [1000.0 * float((p.duration or 0) * p.time_base) for p in container.demux(stream) if p.size]


def _shown(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """The size of a frame with square pixels. aspect: width / height of a pixel."""
    return max(1, round(width * aspect)) if aspect else width, height


def _upright(frame: av.VideoFrame, aspect: Fraction | None, size: int) -> Image.Image:
    """Rotates a frame upright and makes its pixels square; size: see movies.read_frames.

    aspect: width / height of a pixel.
    """
    unknown = frame.colorspace in (2, 3)  # unspecified, reserved
    matrix = None
    if unknown:
        matrix = "ITU709" if frame.height >= HIGH_DEFINITION else "ITU601"
    shown = _shown(frame.width, frame.height, aspect)
    least, method = (frame.width, frame.height), _EXACT
    if size and frame.width * frame.height > LARGE and max(shown) >= 2 * size:
        factor = size / max(shown)
        shown = max(1, round(shown[0] * factor)), max(1, round(shown[1] * factor))
        least, method = shown, int(Interpolation.AREA)
    rgba = frame.reformat(*least, format="rgba", src_colorspace=matrix, dst_color_range="JPEG", interpolation=method)
    picture = Image.fromarray(rgba.to_ndarray())
    if picture.size != shown:
        picture = picture.resize(shown, Image.Resampling.LANCZOS)
    turns = round(frame.rotation / 90) % 4
    return picture.rotate(90 * turns, expand=True) if turns else picture
