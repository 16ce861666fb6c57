"""A moving target on its way to the job: a movie or a sequence by its path, all else as pictures of its frames."""

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
from .properties import lacks_target, target_name

Pictures = Generator[ByteArray, None, None]

MOVIES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".ogv", ".flv")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".tga")
"""Files that the backend is known to read as Blender does."""


@dataclass(frozen=True)
class Footage:
    """A moving target of a job.

    file: as Job.target has it. width, height: of a frame, px. moments: for the number of each frame that is fitted, the
    frame of the scene at which its masks are taken.
    """

    file: str
    clip: Clip
    width: int
    height: int
    moments: dict[int, int]
    offset: int = 0  # what the target's own number of a frame is more, where its frames were numbered anew
    folder: Path | None = None  # of its pictures; None = they were not written

    def pixels(self, number: int) -> ByteArray:
        """A frame that was written as a picture: [height, width, 4]."""
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
    gap: int = 0  # the number in a file's name at which a sequence breaks off, though it goes on later; 0 = none

    @property
    def by_path(self) -> bool:
        """Whether the backend can read them itself."""
        if self.fps:
            return self.path.suffix.lower() in MOVIES
        return self.path.suffix.lower() in PICTURES and self.path.stem[-1:].isdigit()


def write_footage(scene: bpy.types.Scene, folder: Path, as_pictures: bool) -> Footage:
    """Makes the scene's moving target part of the job in `folder`.

    as_pictures: its frames are wanted as pictures, which a target that is rendered or cropped always becomes.
    Raises UserError for one that is missing, cannot be read or rendered, or is fully transparent, and OSError where the
    folder cannot be written to.
    """
    missing = lacks_target(scene)
    if missing:
        raise UserError(f"There is no target: {missing[0].lower()}{missing[1:]}")
    target = scene.diffbmp.target
    if target.source != "IMAGE":
        return _rendered(scene, folder)
    frames = image_frames(target.image)
    named = frames.by_path and not as_pictures and target.aspect == "TARGET"
    return _named(scene, frames) if named else _read(scene, frames, folder)


def image_frames(image: bpy.types.Image) -> ImageFrames:
    """What a movie's or a sequence's files hold. Raises UserError for one that is packed, missing or unreadable."""
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
    rate = movie_rate(path)
    count = image.frame_duration
    return ImageFrames(path, count, width, height, rate, lambda numbers, fps: movie_frames(path, numbers, fps))


def frame_name(number: int) -> str:
    """Name of a frame's picture in a folder of them."""
    return f"{number:04d}.png"


def fill_gaps(folder: Path) -> None:
    """Has every number up to the last have its picture: frames that nobody looks at show the one before them.

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
        except OSError:  # a file system that has no links
            shutil.copyfile(shown, path)


def _rendered(scene: bpy.types.Scene, folder: Path) -> Footage:
    """Of a scene or an object, over the scene's frames."""
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
    """By its path alone: the backend reads it."""
    settings = scene.diffbmp.clip
    # Stated in any case: of movies whose frames come at uneven times, others would make another rate.
    fps = settings.fps or frames.fps or scene.render.fps / scene.render.fps_base
    clip = clip_of(scene, settings.start or 1, settings.end, fps)
    return Footage(str(frames.path), clip, frames.width, frames.height, _moments(scene, frames, clip.start))


def _read(scene: bpy.types.Scene, frames: ImageFrames, folder: Path) -> Footage:
    """As pictures, which begin with the first that is fitted."""
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
    """The pictures of a sequence from one of them on, up to the first number that is missing; and that, 0 = none is."""
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
