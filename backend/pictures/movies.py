"""Moving pictures: movies, animated pictures and sequences, frame by frame.

Frames are numbered from 1 at a constant rate. If a movie has frames at other times, each number shows the picture in
the middle of its time.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count as counting
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageSequence

from ..job import Clip, UserError
from ..job.errors import packages_named
from ..native.arrays import ByteArray, FloatArray
from .convert import LARGE, converted, to_rgba
from .durations import durations
from .images import check_size, gray_of, load_gray, opened, planes_of, scaled
from .moving import ANIMATED, is_moving

if TYPE_CHECKING:
    from .video import Movie

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".tga")
DEFAULT_FPS = 24.0
"""The frame rate of pictures without times."""

EVEN = 2
"""The sides of a clip's canvas are multiples of this, as common codecs need."""

_LEAST_FPS, _MOST_FPS = 1e-3, 1e4

_SHARE = 0.9
"""The part of the disk's free space that frames may take."""

TimedFrame = tuple[
    float, Image.Image | None
]  # seconds from the first frame; the last item, without a picture, is the end


def read_frames(path: Path, clip: Clip, size: int = 0) -> Iterator[tuple[int, Image.Image]]:
    """Yields the frames of the clip: number from 1, and upright RGBA picture, 8 bits, sRGB.

    size: the longer side that is needed, px, see convert.to_rgba. Frames after the last one are not decoded. Raises
    UserError where the target is missing, damaged, not a moving picture, or ends before the clip.
    """
    number = 0
    for number, picture in _numbered(path, clip, size):
        if number >= clip.start and (number - clip.start) % clip.step == 0:
            yield number, picture
        if number == clip.end:
            return
    if number < max(clip.start, clip.end):
        raise UserError(
            f"{path} has {number} frames, but the clip needs frame {max(clip.start, clip.end)}: choose an earlier end"
        )


def frame_rate(path: Path, clip: Clip) -> float:
    """The frame rate of read_frames, frames per second. Raises UserError as read_frames does."""
    if clip.fps > 0:
        return clip.fps
    if _is_sequence(path):
        return DEFAULT_FPS
    if path.suffix.lower() in ANIMATED:
        found = durations(path)
        return 1000.0 * len(found) / sum(found)
    with _movie(path) as movie:
        rate = float(movie.rate)
    if not _LEAST_FPS <= rate <= _MOST_FPS:
        raise UserError(f"{path} says that it has {rate:,g} frames a second: set the frame rate of the clip")
    return rate


def frame_count(path: Path, clip: Clip) -> int:
    """The number of frames that read_frames gives, as far as the head of the file knows; 0 = unknown."""
    if _is_sequence(path):
        total = len(_sequence(path))
    elif path.suffix.lower() in ANIMATED:
        total = round(sum(durations(path)) / 1000.0 * frame_rate(path, clip))
    else:
        with _movie(path) as movie:
            total = round(movie.seconds * (clip.fps or movie.rate))
    last = min(total, clip.end) if clip.end else total
    return max(0, (last - clip.start) // clip.step + 1)


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
            for number, picture in read_frames(path, clip, size):
                frame = scaled(picture, size, EVEN)
                if not self.numbers:
                    (self.width, self.height), self._room = frame.size, _room(frame.size)
                    self._check_room(path, frame_count(path, clip))
                self._check_room(path, len(self.numbers) + 1)
                self._add(path, number, frame)
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
        if picture.size != (self.width, self.height):
            raise UserError(f"Frame {number} of {path} has another size than the first: use frames of the same size")
        self._file.write(picture.tobytes())
        self.numbers.append(number)

    def _check_room(self, path: Path, count: int) -> None:
        """Raises UserError where so many frames do not fit on the disk."""
        if count > self._room:
            megabytes = (number * self.width * self.height * 4 / 1e6 for number in (count, self._room))
            needed, free = (f"{value:,.1f} MB" for value in megabytes)
            raise UserError(
                f"{count:,} frames of {path} at {self.width:,} x {self.height:,} px take {needed}, but "
                f"{tempfile.gettempdir()} has room for {free}: fit fewer or smaller frames, or free some space"
            )

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> tuple[FloatArray, FloatArray]:
        """Returns color [3, H, W] and alpha [H, W] of a frame, index from 0: float32, display-encoded, straight."""
        size = self.width * self.height * 4
        self._file.seek(index * size)
        pixels = np.frombuffer(self._file.read(size), np.uint8).reshape(self.height, self.width, 4)
        return planes_of(pixels.copy())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Footage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _room(size: tuple[int, int]) -> int:
    """The number of frames of this size, px, that the temporary folder may take: most of the disk's free space."""
    width, height = size
    return int(_SHARE * shutil.disk_usage(tempfile.gettempdir()).free) // (width * height * 4)


def load_masks(path: Path, clip: Clip, frames: int, height: int, width: int) -> list[ByteArray]:
    """Reads a mask [H, W] uint8 per frame; a still picture is the mask of all frames. See images.load_mask.

    Raises UserError where all masks are black, or there are fewer than `frames`.
    """
    if not is_moving(path):
        masks = [_bytes(load_gray(path, height, width))] * frames
    else:
        needed = islice(read_frames(path, clip, max(height, width)), frames)
        masks = [_bytes(gray_of(picture, height, width)) for _, picture in needed]
    if len(masks) < frames:
        raise UserError(f"The mask {path} has {len(masks)} frames, but the target has {frames}: make them equal")
    if not any(bool(mask.any()) for mask in masks):
        raise UserError(f"The mask {path} is completely black: paint white where stamps may lie")
    return masks


def _bytes(gray: FloatArray) -> ByteArray:
    return np.rint(gray * np.float32(255.0)).astype(np.uint8)


def _numbered(path: Path, clip: Clip, size: int) -> Iterator[tuple[int, Image.Image]]:
    if _is_sequence(path):
        yield from enumerate(_pictures(path, size), 1)
        return
    if path.suffix.lower() in ANIMATED:
        yield from _at_rate(_animation(path, size), frame_rate(path, clip))
        return
    with _movie(path) as movie:
        yield from _at_rate(movie.frames(size), clip.fps or float(movie.rate))


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


def _pictures(path: Path, size: int) -> Iterator[Image.Image]:
    for file in _sequence(path):
        with opened(file) as image:
            picture = to_rgba(image, size)
        yield picture


def _sequence(path: Path) -> list[Path]:
    """The pictures of a folder sorted by number, or those numbered from a file on without a gap."""
    if path.is_dir():
        files = [file for file in path.iterdir() if file.suffix.lower() in PICTURES and not file.name.startswith(".")]
        if not files:
            raise UserError(f"{path} has no pictures: choose a folder of frames ({', '.join(PICTURES)})")
        return sorted(files, key=lambda file: [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", file.name)])
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


def _animation(path: Path, size: int) -> Iterator[TimedFrame]:
    seconds = 0.0
    with opened(path) as image:
        if image.width * image.height > LARGE:  # Pillow keeps several copies of a frame
            raise UserError(
                f"{path} has {image.width:,} x {image.height:,} px, too many for an animated picture: save it as a "
                f"movie or a folder of pictures, or scale it to at most {math.isqrt(LARGE):,} px"
            )
        # A damaged file may end before its last frame, or have more than its head says.
        for duration, frame in zip(durations(path), ImageSequence.Iterator(image), strict=False):
            check_size(path, *frame.size)
            yield seconds, converted(frame, lambda part: part.convert("RGBA"), size)
            seconds += duration / 1000.0
        yield seconds, None


@contextmanager
def _movie(path: Path) -> Iterator[Movie]:
    with packages_named("Movies"):
        from .video import movie  # slow to import, and most targets are pictures
    with movie(path) as found:
        yield found
