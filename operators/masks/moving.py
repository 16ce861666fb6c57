"""Writes masks of a moving target: a picture for each of its frames, or one where nothing changes."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Literal

import bpy
import numpy as np

from ...backend.job import UserError
from ..blender.frames import shown_frame_kept
from ..blender.images import write_gray
from ..session.screen import counted
from ..target.movie import Footage, Pictures, fill_gaps, frame_name, image_frames
from ..target.properties import MOVING
from .still import NOTHING_INSIDE, channel_of, inverted, source_pixels

_NO_PICTURE = np.zeros((1, 1, 4), np.uint8)


def write_moving_mask(
    source: bpy.types.PropertyGroup,
    scene: bpy.types.Scene,
    folder: Path,
    name: str,
    canvas: tuple[int, int],
    target: Footage,
) -> str:
    """Writes the mask of a DIFFBMP_PG_mask_source into the folder of a job, and returns its path for Job.mask.

    canvas: width and height, px. Raises UserError that names what is missing or unusable, or where no frame has
    anything inside, and OSError where the folder cannot be written to.
    """
    pictures = _of_scene(source, scene, canvas, target)
    if source.source in ("image", "alpha") and source.image is not None and source.image.source in MOVING:
        frames = image_frames(source.image)
        unchanged = source.source == "image" and not source.invert and target.offset == 0
        # Of a sequence, the first picture alone would be a mask that does not move.
        if unchanged and frames.fps and frames.by_path:
            return str(frames.path)
        channel: Literal["brightness", "alpha"] = "alpha" if source.source == "alpha" else "brightness"
        read = frames.read([number + target.offset for number in target.moments], target.clip.fps)
        pictures = (inverted(source, channel_of(rgba, channel)) for rgba in read)
    (folder / "masks" / name).mkdir(parents=True)
    return _written(pictures, target, folder, name)


def needs_pictures(source: bpy.types.PropertyGroup) -> bool:
    """Whether a DIFFBMP_PG_mask_source is the alpha of the target."""
    return source.source == "alpha" and source.image is None


def _of_scene(
    source: bpy.types.PropertyGroup, scene: bpy.types.Scene, canvas: tuple[int, int], target: Footage
) -> Pictures:
    """Yields the mask in each frame of the scene, which returns to its own frame at the end."""
    window = bpy.context.scene  # silhouettes show its frame
    with shown_frame_kept(scene), shown_frame_kept(window):
        for number, moment in target.moments.items():
            for stepped in {scene, window}:
                if stepped.frame_current != moment or stepped.frame_subframe:
                    stepped.frame_set(moment)
            rgba = target.pixels(number) if needs_pictures(source) else _NO_PICTURE
            yield source_pixels(source, scene, *canvas, rgba, may_be_empty=True)


def _written(pictures: Pictures, target: Footage, folder: Path, name: str) -> str:
    frames = folder / "masks" / name
    first, moves, inside = np.empty(0, np.uint8), False, False
    with closing(pictures), closing(counted(pictures, len(target.moments))) as shown:
        for number, gray in zip(target.moments, shown, strict=True):
            first = first if first.size else gray
            moves = moves or not np.array_equal(first, gray)
            inside = inside or bool(gray.any())
            write_gray(frames / frame_name(number), gray)
    if not inside:
        raise UserError(NOTHING_INSIDE)
    if moves:
        fill_gaps(frames)
        return f"masks/{name}"
    shutil.rmtree(frames)
    write_gray(folder / "masks" / f"{name}.png", first)
    return f"masks/{name}.png"
