"""Moving pictures: movies, animated pictures and sequences, frame by frame.

Frames are numbered from 1 at a constant rate. If a movie has frames at other times, each number shows the picture in
the middle of its time.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import count as counting
from pathlib import Path
from types import TracebackType

import av
import numpy as np
import torch
from av.error import FFmpegError
from av.video.reformatter import Interpolation
from PIL import Image, ImageSequence
from torch import Tensor

from ..job import Clip, UserError
from .images import check_size, gray_of, opened, scaled, to_rgba

MOVIES: tuple[str, ...] = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")
MOVIES += (".mts", ".m2ts", ".ts", ".ogv", ".flv", ".wmv")
ANIMATED = (".gif", ".webp", ".png", ".apng", ".avif")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".tga")
DEFAULT_FPS = 24.0
"""The frame rate of pictures without times."""

EVEN = 2
"""The sides of a clip's canvas are multiples of this, as common codecs need."""

HIGH_DEFINITION = 720
"""The least height at which an unmarked movie has the colors of BT.709 instead of BT.601, px."""

_EXACT = int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)
"""Flags of FFmpeg's color conversion: without the last two, movies become a level too dark."""

TimedFrame = tuple[
    float, Image.Image | None
]  # seconds from the first frame; the last item, without a picture, is the end


def is_moving(path: Path) -> bool:
    """Whether this is a movie, an animated picture, or a folder that is not a job folder."""
    if path.is_dir():
        return not (path / "job.json").exists()
    if path.suffix.lower() in MOVIES:
        return True
    if path.suffix.lower() not in ANIMATED or not path.exists():
        return False
    with opened(path) as image:
        return getattr(image, "n_frames", 1) > 1


def read_frames(path: Path, clip: Clip) -> Iterator[tuple[int, Image.Image]]:
    """Yields the frames of the clip: number from 1, and upright RGBA picture, 8 bits, sRGB.

    Raises UserError where the target is missing, damaged, not a moving picture, or ends before the clip.
    """
    number = 0
    for number, picture in _numbered(path, clip):
        if number >= clip.start and (number - clip.start) % clip.step == 0:
            yield number, picture
        if number == clip.end:
            return
    if number < max(clip.start, clip.end):
        raise UserError(
            f"{path} has {number} frames, but the clip needs frame {max(clip.start, clip.end)}: choose an earlier end"
        )


def frame_rate(path: Path, clip: Clip) -> float:
    """The frame rate of read_frames, frames per second."""
    if clip.fps > 0:
        return clip.fps
    if _is_sequence(path):
        return DEFAULT_FPS
    if path.suffix.lower() in ANIMATED:
        durations = _durations(path)
        return 1000.0 * len(durations) / sum(durations)
    with _movie(path) as (_, stream):
        return float(_rate(stream))


class Footage:
    """The frames of a clip at the size of the canvas, in a temporary file. Also a context manager."""

    def __init__(self, path: Path, clip: Clip, size: int) -> None:
        """size: longer side of the canvas, px. Raises UserError as read_frames does, and where the disk is full."""
        self.fps = frame_rate(path, clip)
        self.numbers: list[int] = []
        try:
            self._file = tempfile.TemporaryFile(prefix="diffbmp-")  # noqa: SIM115  closed by close()
        except OSError as error:
            raise UserError(
                f"The frames of {path} need a temporary folder ({error.strerror}): set TMPDIR to one with space"
            ) from error
        try:
            for number, picture in read_frames(path, clip):
                self._add(path, number, scaled(picture, size, EVEN))
            self._file.flush()
        except OSError as error:
            self._file.close()
            raise UserError(
                f"The frames of {path} do not fit into {tempfile.gettempdir()} ({error.strerror}): free some space"
            ) from error
        except UserError:
            self._file.close()
            raise

    def _add(self, path: Path, number: int, picture: Image.Image) -> None:
        if not self.numbers:
            self.width, self.height = picture.size
        elif picture.size != (self.width, self.height):
            raise UserError(f"Frame {number} of {path} has another size than the first: use frames of the same size")
        self._file.write(picture.tobytes())
        self.numbers.append(number)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Returns color [3, H, W] and alpha [H, W] of a frame, index from 0: float32, display-encoded, straight."""
        size = self.width * self.height * 4
        self._file.seek(index * size)
        pixels = np.frombuffer(self._file.read(size), np.uint8).reshape(self.height, self.width, 4)
        planes = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255.0
        return planes[:3].contiguous(), planes[3].contiguous()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Footage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load_masks(path: Path, clip: Clip, frames: int, height: int, width: int) -> list[Tensor]:
    """Reads a mask [H, W] uint8 per frame; a still picture is the mask of all frames. See images.load_mask.

    Raises UserError where all masks are black, or there are fewer than `frames`.
    """
    if not is_moving(path):
        with opened(path) as image:
            masks = [_bytes(gray_of(to_rgba(image), height, width))] * frames
    else:
        masks = [_bytes(gray_of(picture, height, width)) for _, picture in read_frames(path, clip)]
    if len(masks) < frames:
        raise UserError(f"The mask {path} has {len(masks)} frames, but the target has {frames}: make them equal")
    if not any(bool(mask.any()) for mask in masks):
        raise UserError(f"The mask {path} is completely black: paint white where stamps may lie")
    return masks[:frames]


def _bytes(gray: Tensor) -> Tensor:
    return (gray * 255.0).round().byte()


def _numbered(path: Path, clip: Clip) -> Iterator[tuple[int, Image.Image]]:
    if _is_sequence(path):
        yield from enumerate(_pictures(path), 1)
        return
    if path.suffix.lower() in ANIMATED:
        yield from _at_rate(_animation(path), frame_rate(path, clip))
        return
    with _movie(path) as (container, stream):
        yield from _at_rate(_decoded(path, container, stream), clip.fps or float(_rate(stream)))


def _at_rate(frames: Iterator[TimedFrame], fps: float) -> Iterator[tuple[int, Image.Image]]:
    """Numbers frames at a constant rate, each with the picture in the middle of its time; at least one."""
    numbers = counting(1)
    number, shown = next(numbers), None
    for seconds, picture in frames:
        while shown is not None and seconds > (number - 0.5) / fps:
            yield number, shown
            number = next(numbers)
        shown = picture or shown
    if shown is not None and number == 1:
        yield number, shown


def _is_sequence(path: Path) -> bool:
    return path.is_dir() or (path.suffix.lower() in PICTURES and not is_moving(path))


def _pictures(path: Path) -> Iterator[Image.Image]:
    for file in _sequence(path):
        with opened(file) as image:
            yield to_rgba(image)


def _sequence(path: Path) -> list[Path]:
    """The pictures of a folder sorted by number, or those numbered from a file on without a gap."""
    if path.is_dir():
        files = [file for file in path.iterdir() if file.suffix.lower() in PICTURES and not file.name.startswith(".")]
        if not files:
            raise UserError(f"{path} has no pictures: choose a folder of frames ({', '.join(PICTURES)})")
        return sorted(files, key=lambda file: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", file.name)])
    parts = re.fullmatch(r"(.*?)(\d+)", path.stem)
    if parts is None:
        return [path]
    files, stem, digits = [], parts[1], len(parts[2])
    for number in counting(int(parts[2])):
        file = path.with_name(f"{stem}{number:0{digits}d}{path.suffix}")
        if not file.exists():
            break
        files.append(file)
    return files or [path]


def _animation(path: Path) -> Iterator[TimedFrame]:
    seconds = 0.0
    with opened(path) as image:
        for frame in ImageSequence.Iterator(image):
            yield seconds, frame.convert("RGBA")
            seconds += _duration(frame) / 1000.0
        yield seconds, None


def _durations(path: Path) -> list[float]:
    with opened(path) as image:
        return [_duration(frame) for frame in ImageSequence.Iterator(image)]


def _duration(frame: Image.Image) -> float:
    """The duration of a frame, ms; 100 instead of 0 to 10, as in browsers."""
    frame.load()  # WebP and AVIF have no duration before
    duration = float(frame.info.get("duration", 0) or 0)
    return duration if duration > 10.0 else 100.0


@contextmanager
def _movie(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UserError(f"{path} has no pictures: choose a movie or a folder of pictures")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            check_size(path, stream.width, stream.height)
            yield container, stream
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(f"There is no movie {path}: choose one that exists") from error
    except (FFmpegError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a movie: save it again or choose another ({error})") from error


def _rate(stream: av.VideoStream) -> Fraction:
    average, guessed = stream.average_rate, stream.guessed_rate
    # A pause lowers the average below the real rate.
    if average and guessed and average < guessed < 2 * average:
        return guessed
    return average or guessed or Fraction(24)


def _decoded(path: Path, container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[TimedFrame]:
    first, length = None, 1.0 / float(_rate(stream))
    number, seconds = 0, 0.0
    try:
        for number, frame in enumerate(container.decode(stream), 1):
            if frame.pts is None or frame.time_base is None:
                seconds = (number - 1) / float(_rate(stream))
            else:
                seconds = float(frame.pts * frame.time_base)
                length = float(frame.duration * frame.time_base) or length
            first = seconds if first is None else first
            yield seconds - first, _upright(frame, stream.sample_aspect_ratio)
    except FFmpegError as error:
        raise UserError(f"{path} is damaged after frame {number}: save it again or end before it ({error})") from error
    if number == 0:
        raise UserError(f"{path} has no frames: choose another movie")
    yield seconds - (first or 0.0) + length, None


def _upright(frame: av.VideoFrame, aspect: Fraction | None) -> Image.Image:
    """Rotates a frame upright and makes its pixels square. aspect: width / height of a pixel."""
    unknown = frame.colorspace in (2, 3)  # unspecified, reserved
    matrix = None
    if unknown:
        matrix = "ITU709" if frame.height >= HIGH_DEFINITION else "ITU601"
    rgba = frame.reformat(format="rgba", src_colorspace=matrix, dst_color_range="JPEG", interpolation=_EXACT)
    picture = Image.fromarray(rgba.to_ndarray())
    if aspect and aspect != 1:
        picture = picture.resize((max(1, round(picture.width * aspect)), picture.height), Image.Resampling.LANCZOS)
    turns = round(frame.rotation / 90) % 4
    return picture.rotate(90 * turns, expand=True) if turns else picture
