"""Writes a moving target for the job: a movie or a sequence as its path, all else as pictures of its frames."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import bpy

from ...backend.job import Clip, UserError
from ..blender.frames import movie_frames, movie_rate, render_frames
from ..blender.images import ByteArray, read_file, write_png
from ..blender.studio import render_motion
from ..session.screen import counted
from ..settings.clip import clip_of
from .crop import cropped
from .pixels import SHAPE_SAMPLES
from .properties import check_target, target_name

Pictures = Generator[ByteArray, None, None]

MOVIES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".ogv", ".flv")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".tga")
"""Endings of files that the backend reads just as Blender does."""


@dataclass(frozen=True)
class Footage:
    """A moving target of a job.

    file: see Job.target. width, height: of a frame, px. moments: by the number of each fitted frame, the frame of the
    scene for its masks.
    """

    file: str
    clip: Clip
    width: int
    height: int
    moments: dict[int, int]
    offset: int = 0  # of the target's own frame numbers, where its frames were renumbered
    folder: Path | None = None  # of its pictures; None = none were written

    def pixels(self, number: int) -> ByteArray:
        """Reads a frame that was written as a picture: [height, width, 4]."""
        assert self.folder is not None
        return read_file(self.folder / frame_name(number))


@dataclass(frozen=True)
class ImageFrames:
    """The frames of a movie or a sequence. Numbers count from 1."""

    path: Path  # of the movie, or of the sequence's first picture
    count: int  # at its own rate
    width: int
    height: int
    fps: float  # its own; 0 = it has none
    read: Callable[[Iterable[int], float], Pictures]  # by number, at a rate, 0 = its own
    gap: int = 0  # the first file number missing in the middle of a sequence; 0 = none

    @property
    def by_path(self) -> bool:
        """Whether the backend can read them itself."""
        if self.fps:
            return self.path.suffix.lower() in MOVIES
        return self.path.suffix.lower() in PICTURES and self.path.stem[-1:].isdigit()


def write_footage(scene: bpy.types.Scene, folder: Path, as_pictures: bool) -> Footage:
    """Writes the scene's moving target into the folder of the job.

    as_pictures: writes its frames as pictures, as always for a target that is rendered or cropped.
    Raises UserError for one that is missing, cannot be read or rendered, or is fully transparent, and OSError where the
    folder cannot be written to.
    """
    check_target(scene)
    target = scene.diffbmp.target
    if target.source != "IMAGE":
        return _rendered(scene, folder)
    frames = image_frames(target.image)
    named = frames.by_path and not as_pictures and target.aspect == "TARGET"
    return _named(scene, frames) if named else _read(scene, frames, folder)


def image_frames(image: bpy.types.Image) -> ImageFrames:
    """Opens the frames of a movie or a sequence. Raises UserError where it is packed, missing or unreadable."""
    path = Path(bpy.path.abspath(image.filepath, library=image.library)).absolute()
    if image.packed_files:
        raise UserError(f"The image {image.name} is packed, but its frames are needed as files: unpack it")
    if not path.is_file():
        raise UserError(f"The image {image.name} has no frames: {path} does not exist")
    if image.source == "SEQUENCE":
        files, gap = _numbered(path)
        height, width = read_file(path).shape[:2]
        read = partial(_pictures, path, files)
        return ImageFrames(path, len(files), width, height, 0.0, lambda numbers, fps: read(numbers), gap)
    width, height = image.size
    if not width or not height:
        raise UserError(f"{path} cannot be read as a movie: convert it to another format")
    return ImageFrames(path, image.frame_duration, width, height, movie_rate(path), partial(movie_frames, path))


def frame_name(number: int) -> str:
    """Name of a frame's picture in a folder of them."""
    return f"{number:04d}.png"


def fill_gaps(folder: Path) -> None:
    """Fills every missing number up to the last with the picture before it; these frames are not used.

    Raises OSError where the folder cannot be written to.
    """
    written = sorted(folder.iterdir(), key=lambda path: int(path.stem))
    shown = written[0]
    for number in range(1, int(written[-1].stem)):
        path = folder / frame_name(number)
        if path.exists():
            shown = path
            continue
        try:
            os.link(shown, path)
        except OSError:  # a file system without links
            shutil.copyfile(shown, path)


def _rendered(scene: bpy.types.Scene, folder: Path) -> Footage:
    """Writes a target that is a scene or an object, over the scene's frames."""
    target, settings = scene.diffbmp.target, scene.diffbmp.clip
    source = target.scene if target.source == "SCENE" else scene
    first, last = settings.start or source.frame_start, settings.end or source.frame_end
    if last < first:
        raise UserError(f"The clip ends at frame {last}, before it starts at {first}: swap them")
    frames = range(first, last + 1, settings.step)
    size = scene.diffbmp.fit.size
    pictures: Pictures
    if target.source == "SCENE":
        pictures = render_frames(target.scene, target.camera, size, target.transparent, frames)
    else:
        pictures = render_motion([target.object], frames, size, SHAPE_SAMPLES)
    moments = {frame - first + 1: frame for frame in frames}
    clip = clip_of(scene, 1, 0, settings.fps or source.render.fps / source.render.fps_base)
    return _written(scene, folder, pictures, moments, clip)


def _named(scene: bpy.types.Scene, frames: ImageFrames) -> Footage:
    """Refers to a target by its path: the backend reads it."""
    settings = scene.diffbmp.clip
    # Always stated: for movies with uneven frame times, programs disagree about the rate.
    fps = settings.fps or frames.fps or scene.render.fps / scene.render.fps_base
    clip = clip_of(scene, settings.start or 1, settings.end, fps)
    return Footage(str(frames.path), clip, frames.width, frames.height, _moments(scene, frames, clip.start))


def _read(scene: bpy.types.Scene, frames: ImageFrames, folder: Path) -> Footage:
    """Writes a target as pictures, from the first fitted frame on."""
    settings = scene.diffbmp.clip
    first = settings.start or 1
    moments = _moments(scene, frames, first)
    clip = clip_of(scene, 1, 0, settings.fps or frames.fps or scene.render.fps / scene.render.fps_base)
    pictures = frames.read(list(moments), settings.fps)
    renumbered = {number - first + 1: at for number, at in moments.items()}
    return replace(_written(scene, folder, pictures, renumbered, clip), offset=first - 1)


def _moments(scene: bpy.types.Scene, frames: ImageFrames, first: int) -> dict[int, int]:
    settings = scene.diffbmp.clip
    resampled = settings.fps and frames.fps
    count = max(1, round(frames.count * settings.fps / frames.fps)) if resampled else frames.count
    last = settings.end or max(first, count)
    if frames.gap and last >= count and not settings.end:
        raise UserError(
            f"The sequence of {frames.path} has no picture {frames.gap}: render it, or set the animation's End to "
            f"{count} at most"
        )
    if last > count or first > last:
        asked = f"frame {first} is" if first == last else f"{first} to {last} are"
        raise UserError(
            f"The target {target_name(scene)} has {count} frames, but {asked} asked for: "
            "set the animation's Start and End"
        )
    return {number: settings.scene_start + number - first for number in range(first, last + 1, settings.step)}


def _written(scene: bpy.types.Scene, folder: Path, pictures: Pictures, moments: dict[int, int], clip: Clip) -> Footage:
    (folder / "target").mkdir()
    height, width, seen = 0, 0, False
    with closing(pictures), closing(counted(pictures, len(moments))) as shown:
        for number, picture in zip(moments, shown, strict=True):
            rgba = cropped(picture, scene)
            write_png(folder / "target" / frame_name(number), rgba)
            height, width = rgba.shape[:2]
            seen = seen or bool(rgba[..., 3].any())
    if not seen:
        raise UserError(
            f"The target {target_name(scene)} is fully transparent in all of its {len(moments)} frames: choose another"
        )
    fill_gaps(folder / "target")
    return Footage("target", clip, width, height, moments, folder=folder / "target")


def _numbered(path: Path) -> tuple[list[Path], int]:
    """Returns a sequence's pictures from a given one to the first missing number, and that number, 0 = none."""
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", path.stem)
    if match is None:
        raise UserError(f"The picture {path} has no number in its name: choose the first of a numbered sequence")
    before, number, after = match.groups()
    pattern = re.compile(rf"{re.escape(before)}(\d+){re.escape(after + path.suffix)}")
    found = {int(match[1]): item for item in path.parent.iterdir() if (match := pattern.fullmatch(item.name))}
    first = int(number)
    files: list[Path] = []
    while first + len(files) in found:
        files.append(found[first + len(files)])
    end = first + len(files)
    return files, end if end <= max(found) else 0


def _pictures(path: Path, files: Sequence[Path], numbers: Iterable[int]) -> Pictures:
    for number in numbers:
        if number > len(files):
            raise UserError(f"The sequence of {path} has {len(files)} pictures, but number {number} is needed")
        yield read_file(files[number - 1])
