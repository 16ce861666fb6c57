"""Masks as pixels, 255 inside and 0 outside, from Mask datablocks, images and silhouettes."""

from __future__ import annotations

from collections.abc import Iterator
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
"""Weights of red, green and blue in the brightness of display-encoded colors, as in the backend."""


def mask_pixels(mask: bpy.types.Mask, width: int, height: int, frame: int, may_be_empty: bool = False) -> ByteArray:
    """Renders a Mask datablock in a frame: [height, width], anti-aliased, with feather and all rendered layers.

    Its coordinates, 0 to 1, span the canvas's longer side; the shorter one shows their middle, as in Blender's editors.

    Raises UserError where none of it lies on the canvas, unless it may be empty, or where Blender cannot render now.
    """
    factor = _samples(width, height)
    with _keeps_images(), _at_frame(frame), _mask_scene(mask, width * factor, height * factor) as scene:
        picture = render_still(scene, f"the mask {mask.name}")[..., 0]
    pixels = np.rint(picture.reshape(height, factor, width, factor).mean((1, 3))).astype(np.uint8)
    if not (may_be_empty or pixels.any()):
        raise UserError(f"The mask {mask.name} is empty in frame {frame}: draw a closed spline that lies on the canvas")
    return pixels


def image_mask(image: bpy.types.Image, channel: Literal["brightness", "alpha"]) -> ByteArray:
    """Reads an image's alpha, or its brightness over black: [h, w]. Raises UserError as read_image does."""
    return channel_of(read_image(image), channel)


def channel_of(rgba: ByteArray, channel: Literal["brightness", "alpha"]) -> ByteArray:
    """Returns the alpha of a picture [h, w, 4], or its brightness over black: [h, w]."""
    if channel == "alpha":
        return np.ascontiguousarray(rgba[..., 3])
    brightness = rgba[..., :3] @ np.array(_LUMA, np.float32)
    return np.rint(brightness * (rgba[..., 3] / np.float32(255))).astype(np.uint8)


NOTHING_INSIDE = "Nothing lies inside it: choose something else, or toggle Invert"


def source_pixels(
    source: bpy.types.PropertyGroup,
    scene: bpy.types.Scene,
    width: int,
    height: int,
    target: ByteArray,
    may_be_empty: bool = False,
) -> ByteArray:
    """Returns the mask of a DIFFBMP_PG_mask_source on a canvas of width x height px, in the scene's frame: [h, w].

    Images keep their own size, which the backend scales. target: [h, w, 4], the picture whose alpha is used where no
    image is chosen.

    Raises UserError that names what is missing or unusable, and where nothing is inside, unless it may be empty.
    """
    if source.source == "none":
        pixels = np.full((height, width), 255, np.uint8)
    elif source.source == "alpha" and source.image is None:
        pixels = np.ascontiguousarray(target[..., 3])
    elif source.source in ("image", "alpha"):
        pixels = image_mask(_chosen(source, "image"), "alpha" if source.source == "alpha" else "brightness")
    elif source.source == "mask":
        pixels = mask_pixels(_chosen(source, "mask"), width, height, scene.frame_current, may_be_empty)
    else:
        # Seen like the target: the whole frame, and then the same part of it.
        size = uncropped_size(scene, width, height)
        whole = render_silhouette(_objects(source), _camera(source, scene), *size)
        pixels = cropped(whole, scene, size != (width, height))
    pixels = inverted(source, pixels)
    if not (may_be_empty or pixels.any()):
        raise UserError(NOTHING_INSIDE)
    return pixels


def inverted(source: bpy.types.PropertyGroup, pixels: ByteArray) -> ByteArray:
    """Exchanges inside and outside if a DIFFBMP_PG_mask_source asks for it."""
    return np.uint8(255) - pixels if source.invert and source.source != "none" else pixels


def _chosen(source: bpy.types.PropertyGroup, name: str) -> Any:
    """Returns the datablock that the source refers to by this name. Raises UserError where there is none."""
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
        raise UserError("There is no camera for its silhouette: choose one, or give the scene one")
    return camera


def _samples(width: int, height: int) -> int:
    """Returns the samples along each side of a pixel, as Blender's masks are not anti-aliased; fewer for large ones."""
    longer = max(width, height)
    factor = 4 if longer <= 512 else 2 if longer <= 2048 else 1
    return max(factor, -(-LEAST_SIDE // min(width, height)))


@contextmanager
def _keeps_images() -> Iterator[None]:
    """Removes the images of renders and compositors that Blender has added meanwhile."""
    before = set(bpy.data.images)
    try:
        yield
    finally:
        new = set(bpy.data.images) - before
        bpy.data.batch_remove({image for image in new if image.type in ("RENDER_RESULT", "COMPOSITING")})


@contextmanager
def _at_frame(frame: int) -> Iterator[None]:
    """Shows a frame of the context's scene for a while: the compositor uses a mask as it is shown there."""
    scene = bpy.context.scene
    with shown_frame_kept(scene):
        if (scene.frame_current, scene.frame_subframe) != (frame, 0.0):
            scene.frame_set(frame)
        yield


@contextmanager
def _mask_scene(mask: bpy.types.Mask, width: int, height: int) -> Iterator[bpy.types.Scene]:
    """Yields a temporary scene whose render is the mask, point-sampled at the pixels' centers."""
    with picture_scene("DiffBMP mask", "Raw") as scene:
        picture = picture_socket(scene)
        tree = picture.id_data
        node = tree.nodes.new("CompositorNodeMask")
        node.mask = mask
        tree.links.new(node.outputs["Mask"], picture)
        scene.render.resolution_x, scene.render.resolution_y = width, height
        scene.render.use_compositing = True
        set_still_image(scene.render.image_settings)
        yield scene
