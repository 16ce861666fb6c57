"""Small pictures of the stamps, as icons: drawn where the list changes, kept for this session."""

from __future__ import annotations

from time import monotonic

import bpy
import bpy.utils.previews
import numpy as np

from ...backend.job import UserError
from ..blender.images import ByteArray
from ..session.screen import redraw
from .pixels import StampReader

SIZE = 64
"""Side of a thumbnail, px."""

SECONDS = 2.0
"""How long drawing may take at a time; the rest is drawn the next time."""


class Thumbnails:
    """Icons of stamps. A stamp whose picture has changed has none until it is drawn again."""

    def __init__(self) -> None:
        self._icons: bpy.utils.previews.ImagePreviewCollection | None = None

    def __contains__(self, stamp: bpy.types.PropertyGroup) -> bool:
        """Returns whether a stamp's picture has been drawn."""
        return self._icons is not None and _key(stamp) in self._icons

    def icon(self, stamp: bpy.types.PropertyGroup) -> int:
        """Returns the number of a stamp's icon; 0 if it has none yet, as always in background mode."""
        return int(self._icons[_key(stamp)].icon_id) if self._icons is not None and stamp in self else 0

    def draw(self, stamp: bpy.types.PropertyGroup, rgba: ByteArray) -> None:
        """Makes a stamp's icon of its pixels [h, w, 4]."""
        if self._icons is None:
            self._icons = bpy.utils.previews.new()
        name = _key(stamp)
        icon = self._icons[name] if name in self._icons else self._icons.new(name)
        pixels = _fitted(rgba) / np.float32(255.0)
        pixels[..., :3] *= pixels[..., 3:]  # icons are premultiplied
        icon.icon_size = icon.image_size = (SIZE, SIZE)
        values = np.ascontiguousarray(pixels[::-1], np.float32).ravel()
        icon.icon_pixels_float.foreach_set(values)
        icon.image_pixels_float.foreach_set(values)

    def clear(self) -> None:
        if self._icons is not None:
            bpy.utils.previews.remove(self._icons)
        self._icons = None


THUMBNAILS = Thumbnails()


def draw_thumbnails(scene: bpy.types.Scene) -> tuple[int, list[str]]:
    """Draws missing thumbnails for SECONDS. Returns how many are left, and a sentence about each bad stamp."""
    end = monotonic() + SECONDS
    reader = StampReader(scene, resolution=SIZE)
    left, problems = 0, []
    for stamp in scene.diffbmp.stamps.entries:
        if stamp in THUMBNAILS:
            continue
        if monotonic() > end:
            left += 1
            continue
        try:
            THUMBNAILS.draw(stamp, reader.read(stamp))
        except UserError as error:
            problems.append(error.message)
    redraw()
    return left, problems


def _key(stamp: bpy.types.PropertyGroup) -> str:
    sources = (stamp.image, stamp.object, stamp.collection, stamp.font)
    numbers = [str(source.session_uid) if source else "" for source in sources]
    crop = [f"{value:.5f}" for value in stamp.crop]
    alpha = f"{stamp.threshold:.3f}" if stamp.alpha == "REMOVE" else ""
    return " ".join([*numbers, *crop, alpha, stamp.view, stamp.text])


def _fitted(rgba: ByteArray) -> ByteArray:
    """A picture [h, w, 4] in the middle of a transparent square of SIZE, its nearest pixels."""
    height, width = rgba.shape[:2]
    factor = SIZE / max(height, width)
    rows, columns = (np.arange(max(1, round(side * factor))) for side in (height, width))
    small = rgba[np.minimum((rows + 0.5) / factor, height - 1).astype(int)]
    small = small[:, np.minimum((columns + 0.5) / factor, width - 1).astype(int)]
    square = np.zeros((SIZE, SIZE, 4), np.uint8)
    top, left = (SIZE - small.shape[0]) // 2, (SIZE - small.shape[1]) // 2
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    return square


def register() -> None:
    """Does nothing: icons are made when they are needed."""


def unregister() -> None:
    THUMBNAILS.clear()
