"""The pixels of stamps: read or rendered, cropped, with their background removed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import bpy
import numpy as np

from ...backend.job import UserError
from ..blender.images import ByteArray, reader_of
from ..blender.studio import render_collection, render_objects, render_text, was_deleted
from .sources import missing_texture

OFFSET = 0.5 / 255.0


class StampReader:
    """Reads stamps one by one, and keeps the last image, for sheets that hold many stamps."""

    def __init__(self, scene: bpy.types.Scene, resolution: int = 0) -> None:
        """scene: may light the stamps. resolution: longer side of rendered stamps, px; 0 = as set in the scene."""
        settings = scene.diffbmp.stamps
        self._scene, self._lighting = scene, settings.lighting
        self._resolution = resolution or settings.resolution
        self._image: bpy.types.Image | None = None
        self._pixels: Callable[[], ByteArray] | None = None

    def read(self, stamp: bpy.types.PropertyGroup) -> ByteArray:
        """Returns a stamp's pixels [h, w, 4], straight alpha, display-encoded.

        Raises UserError where its source was deleted, cannot be read or rendered, or shows nothing.
        """
        return self.reader_of(stamp)()

    def reader_of(self, stamp: bpy.types.PropertyGroup) -> Callable[[], ByteArray]:
        """Does the part of `read` that needs Blender's own thread. Returns a function for the rest, in any thread.

        Both raise UserError.
        """
        is_gone = stamp.object is not None and was_deleted(stamp.object)
        if is_gone or not (stamp.text or stamp.image or stamp.collection or stamp.object):
            raise UserError(f"The source of the stamp {stamp.name} was deleted: remove the stamp from the list")
        rendered = stamp.collection.all_objects if stamp.collection else [stamp.object] if stamp.object else []
        missing = "" if stamp.text or stamp.image else missing_texture(rendered)
        if missing:
            raise UserError(f"The stamp {stamp.name} uses the image {missing}, whose file is missing: find or pack it")
        edited = next((item for item in rendered if item.mode == "EDIT"), None)
        if edited is not None and edited.type == "MESH":
            raise UserError(f"The object {edited.name} is in Edit Mode, where it cannot be rendered: leave that first")
        pixels, part = self._source(stamp), tuple(stamp.crop) if stamp.image and not stamp.text else None
        threshold = stamp.threshold if stamp.alpha == "REMOVE" else None
        what = f"image {stamp.image.name}" if stamp.image else f"stamp {stamp.name}"

        def finished() -> ByteArray:
            rgba = pixels()
            if part is not None:
                rgba = crop(rgba, part)
            if threshold is not None:
                rgba = remove_background(rgba, threshold)
            if not rgba[..., 3].any():
                raise UserError(f"The {what} is fully transparent: choose another image")
            return rgba

        return finished

    def _source(self, stamp: bpy.types.PropertyGroup) -> Callable[[], ByteArray]:
        """Returns a function that returns the pixels of the whole source of a stamp."""
        if stamp.image and not stamp.text:
            if self._pixels is None or self._image != stamp.image:
                self._pixels, self._image = cache(reader_of(stamp.image)), stamp.image
            return self._pixels
        options = {"view": stamp.view, "lighting": self._lighting, "source": self._scene}
        if stamp.text:
            rgba = render_text(stamp.text, self._resolution, style=stamp.object, font=stamp.font)
        elif stamp.collection:
            rgba = render_collection(stamp.collection, self._resolution, **options)
        else:
            rgba = render_objects([stamp.object], self._resolution, **options)
        return lambda: rgba


def crop(rgba: ByteArray, part: tuple[float, ...]) -> ByteArray:
    """Returns a part of a picture [h, w, 4]: left, bottom, right, top in UV, rounded to whole pixels, one at least."""
    height, width = rgba.shape[:2]
    left, bottom, right, top = part
    first, last = _pixels(left, right, width)
    above, below = _pixels(1.0 - top, 1.0 - bottom, height)
    return rgba[above:below, first:last]


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    first = min(int(np.rint(low * size)), size - 1)
    return first, max(int(np.rint(high * size)), first + 1)


def remove_background(rgba: ByteArray, threshold: float) -> ByteArray:
    """Makes the color of the border of a picture [h, w, 4] transparent.

    threshold: how far from that color, in the channel that differs most, a pixel of the background may be; from twice
    as far on it is opaque. In between, the background's part is removed from the color, so that no fringe is left.
    """
    values = rgba.astype(np.float32) / 255.0
    edge = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    background = np.median(edge[:, :3], axis=0)
    distance = np.abs(values[..., :3] - background).max(2)
    alpha = np.clip((distance - threshold) / max(threshold, OFFSET), 0.0, 1.0)[..., None]
    values[..., :3] = (values[..., :3] - (1.0 - alpha) * background) / np.maximum(alpha, 1e-6)
    values[..., 3:] *= alpha
    return np.rint(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)
