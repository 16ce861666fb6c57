"""Masks as pixels, 255 inside and 0 outside: of Mask datablocks, of images, of objects as a camera sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import bpy
import numpy as np

from ...backend.job import UserError
from ..blender.frames import picture_scene, render_still, shown_frame_kept
from ..blender.images import ByteArray, read_image
from ..blender.silhouettes import render_silhouette
from ..blender.studio import UNSEEN, was_deleted
from ..blender.versions import picture_socket, set_still_image
from ..target.crop import cropped, uncropped_size

LEAST_SIDE = 4
"""The least resolution that Blender renders, px."""

_LUMA = (0.299, 0.587, 0.114)
"""Red, green and blue in the brightness of display-encoded colors, as the backend reads a gray picture."""


def mask_pixels(mask: bpy.types.Mask, width: int, height: int, frame: int) -> ByteArray:
    """A Mask datablock in a frame: [height, width], anti-aliased, with feather and all layers that are rendered.

    Its coordinates, 0 to 1, span the canvas's longer side; the shorter one shows their middle, as in Blender's editors.

    Raises UserError where nothing of it lies on the canvas, or where Blender cannot render now.
    """
    pixels = _drawn(mask, width, height, frame)
    if not pixels.any():
        raise UserError(f"The mask {mask.name} is empty in frame {frame}: draw a closed spline that lies on the canvas")
    return pixels


def _drawn(mask: bpy.types.Mask, width: int, height: int, frame: int) -> ByteArray:
    factor = _samples(width, height)
    with _keeps_images(), _at_frame(frame), _mask_scene(mask, width * factor, height * factor) as scene:
        picture = render_still(scene, f"the mask {mask.name}")[..., 0]
    return np.rint(picture.reshape(height, factor, width, factor).mean((1, 3))).astype(np.uint8)


def image_mask(image: bpy.types.Image, channel: Literal["brightness", "alpha"]) -> ByteArray:
    """[h, w] of the image's own size: its alpha, or its brightness where black is behind what is transparent.

    Raises UserError as read_image does.
    """
    return channel_of(read_image(image), channel)


def channel_of(rgba: ByteArray, channel: Literal["brightness", "alpha"]) -> ByteArray:
    """[h, w] of a picture [h, w, 4], as image_mask says."""
    if channel == "alpha":
        return np.ascontiguousarray(rgba[..., 3])
    brightness = rgba[..., :3] @ np.array(_LUMA, np.float32)
    return np.rint(brightness * (rgba[..., 3] / np.float32(255))).astype(np.uint8)


def source_pixels(
    source: bpy.types.PropertyGroup, scene: bpy.types.Scene, width: int, height: int, target: ByteArray
) -> ByteArray:
    """What a DIFFBMP_PG_mask_source stands for on a canvas of width x height px: [h, w].

    Images keep their own size, which the backend scales. target: [h, w, 4], the picture whose alpha counts where no
    image is chosen.

    Raises UserError that names what is missing or cannot be used, and where nothing is inside.
    """
    pixels = inverted(source, _plain_pixels(source, scene, width, height, target, mask_pixels))
    if not pixels.any():
        raise UserError(NOTHING_INSIDE)
    return pixels


NOTHING_INSIDE = "Nothing lies inside it: choose something else, or turn Invert over"


def shown_pixels(
    source: bpy.types.PropertyGroup, scene: bpy.types.Scene, width: int, height: int, target: ByteArray
) -> ByteArray:
    """As source_pixels, of the frame that the scene shows; where nothing is inside, all is 0."""
    return inverted(source, _plain_pixels(source, scene, width, height, target, _drawn))


def inverted(source: bpy.types.PropertyGroup, pixels: ByteArray) -> ByteArray:
    """Pixels of a DIFFBMP_PG_mask_source with inside and outside exchanged, if it asks for that."""
    return np.uint8(255) - pixels if source.invert and source.source != "none" else pixels


def _plain_pixels(
    source: bpy.types.PropertyGroup,
    scene: bpy.types.Scene,
    width: int,
    height: int,
    target: ByteArray,
    draw: Callable[[bpy.types.Mask, int, int, int], ByteArray],
) -> ByteArray:
    if source.source == "none":
        return np.full((height, width), 255, np.uint8)
    if source.source == "alpha" and source.image is None:
        return np.ascontiguousarray(target[..., 3])
    if source.source in ("image", "alpha"):
        return image_mask(_chosen(source, "image"), "alpha" if source.source == "alpha" else "brightness")
    if source.source == "mask":
        return draw(_chosen(source, "mask"), width, height, scene.frame_current)
    # Seen as the target is: all of the frame, and then the same part of it.
    size = uncropped_size(scene, width, height)
    return cropped(render_silhouette(_objects(source), _camera(source, scene), *size), scene, size != (width, height))


def _chosen(source: bpy.types.PropertyGroup, name: str) -> Any:
    """The datablock of one of its pointers, which have the names of the sources."""
    chosen = getattr(source, name)
    if chosen is None:
        raise UserError(f"It has no {name}: choose one")
    return chosen


def _objects(source: bpy.types.PropertyGroup) -> list[bpy.types.Object]:
    chosen = _chosen(source, source.source)
    if source.source == "collection":
        objects = [item for item in chosen.all_objects if item.type not in UNSEEN]
        if not objects:
            raise UserError(f"The collection {chosen.name} holds no object: choose another")
        return objects
    if was_deleted(chosen):
        raise UserError(f"The object {chosen.name} was deleted: choose another")
    return [chosen]


def _camera(source: bpy.types.PropertyGroup, scene: bpy.types.Scene) -> bpy.types.Object:
    camera = source.camera or scene.camera
    if camera is not None and was_deleted(camera):
        raise UserError(f"The camera {camera.name} was deleted: choose another")
    if camera is None:
        raise UserError("There is no camera that sees its silhouette: choose one, or give the scene one")
    return camera


def _samples(width: int, height: int) -> int:
    """Samples across a pixel: Blender's own masks are not anti-aliased. Few where there are many pixels, for time."""
    longer = max(width, height)
    factor = 4 if longer <= 512 else 2 if longer <= 2048 else 1
    return max(factor, -(-LEAST_SIDE // min(width, height)))


@contextmanager
def _keeps_images() -> Iterator[None]:
    """Removes the images in which Blender shows renders and compositors, if they were not there before."""
    before = set(bpy.data.images)
    try:
        yield
    finally:
        new = set(bpy.data.images) - before
        bpy.data.batch_remove({image for image in new if image.type in ("RENDER_RESULT", "COMPOSITING")})


@contextmanager
def _at_frame(frame: int) -> Iterator[None]:
    """Has the context's scene show a frame for a while: the compositor takes a mask as it is shown, at any frame."""
    scene = bpy.context.scene
    with shown_frame_kept(scene):
        if (scene.frame_current, scene.frame_subframe) != (frame, 0.0):
            scene.frame_set(frame)
        yield


@contextmanager
def _mask_scene(mask: bpy.types.Mask, width: int, height: int) -> Iterator[bpy.types.Scene]:
    """A temporary scene whose render is the mask, point-sampled at the pixels' centers."""
    with picture_scene("DiffBMP mask", "Raw") as scene:
        picture = picture_socket(scene)
        tree = picture.id_data
        node = tree.nodes.new("CompositorNodeMask")
        node.mask = mask
        tree.links.new(node.outputs["Mask"], picture)
        scene.render.resolution_x, scene.render.resolution_y = width, height
        scene.render.use_sequencer = False
        set_still_image(scene.render.image_settings)
        yield scene
