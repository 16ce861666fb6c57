"""The part of the target that is used."""

import bpy

from ..blender.images import ByteArray


def uncropped_size(scene: bpy.types.Scene, width: int, height: int) -> tuple[int, int]:
    """Returns the size of the whole picture of which cropped() leaves a canvas of this size, px.

    It is larger only for a target that is another scene's render.
    """
    target = scene.diffbmp.target
    if target.source != "SCENE" or target.aspect == "TARGET" or target.scene is None:
        return width, height
    render = target.scene.render
    whole = render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)
    if whole > width / height:
        return max(width, round(height * whole)), height
    return width, max(height, round(width / whole))


def cropped(rgba: ByteArray, scene: bpy.types.Scene, needed: bool = True) -> ByteArray:
    """Crops a picture [h, w, ...] to the largest part of the shape that a scene's target asks for, at the focus."""
    target, render = scene.diffbmp.target, scene.render
    if target.aspect == "TARGET" or not needed:
        return rgba
    if target.aspect == "FRAME":
        aspect = render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)
    else:
        aspect = target.aspect_x / target.aspect_y
    height, width = rgba.shape[:2]
    cut_width, cut_height = min(width, max(1, round(height * aspect))), min(height, max(1, round(width / aspect)))
    left, top = round((width - cut_width) * target.focus_x), round((height - cut_height) * target.focus_y)
    return rgba[top : top + cut_height, left : left + cut_width]
