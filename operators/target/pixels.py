"""The target, as Scene.diffbmp.target: an image, the render of a scene, or the shape of an object."""

from collections.abc import Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing

import bpy

from ...backend.job import UserError
from ..blender.frames import render_frames
from ..blender.images import ByteArray, read_image, reader_of
from ..blender.silhouettes import render_vertex_colors
from ..blender.studio import render_objects, was_deleted
from ..session.steps import all_at_once, waited
from .crop import cropped, uncropped_size
from .properties import MOVING, camera_of, check_target, target_name

SHAPE_SAMPLES = 64
"""Samples per pixel of an object's shape."""


def target_pixels(scene: bpy.types.Scene) -> ByteArray:
    """Reads or renders a scene's target, cropped: [h, w, 4], straight alpha, display-encoded.

    Raises UserError for one that is missing, cannot be read or rendered, or is fully transparent.
    """
    with ThreadPoolExecutor(1) as threads:
        pixels: ByteArray = all_at_once(target_steps(scene, threads))
    return pixels


def target_steps(scene: bpy.types.Scene, threads: Executor) -> Generator[str, None, ByteArray]:
    """Does the same as target_pixels in steps, between which the target's settings must not change.

    threads: for the work that does not need Blender's own thread.
    """
    check_target(scene)
    target, size = scene.diffbmp.target, scene.diffbmp.fit.size
    if target.source == "SCENE":
        with closing(render_frames(target.scene, target.camera, size, target.transparent)) as pictures:
            rgba = next(pictures)
    elif target.source == "OBJECT":
        rgba = render_objects([target.object], size, source=scene, samples=SHAPE_SAMPLES)
    else:
        if target.image.source in MOVING:
            raise UserError(
                f"The image {target.image.name} is a {target.image.source.lower()}, but a still picture is needed: "
                "turn on the target's Animation, or save a picture and open it"
            )
        rgba = yield from waited(threads.submit(reader_of(target.image)), "Reading the target")
    rgba = cropped(rgba, scene)
    if not rgba[..., 3].any():
        raise UserError(f"The target {target_name(scene)} is fully transparent: choose another {target.source.lower()}")
    return rgba


def importance_pixels(scene: bpy.types.Scene, width: int, height: int) -> ByteArray | None:
    """Reads or renders the map of importance, cropped like the target; None = all is equally important.

    width, height: of the canvas, px. Raises UserError for what cannot be read or rendered.
    """
    target = scene.diffbmp.target
    if target.importance_source == "VERTEX":
        painted = target.importance_object
        if painted is None:
            return None
        if was_deleted(painted):
            raise UserError(f"The painted object {painted.name} was deleted: choose another")
        camera = camera_of(target) if target.source == "SCENE" else None
        size = uncropped_size(scene, width, height)
        colors = render_vertex_colors(painted, *size, attribute=target.importance_layer, camera=camera)
        return cropped(colors, scene, size != (width, height))
    return cropped(read_image(target.importance), scene) if target.importance else None
