"""stub"""

from __future__ import annotations

import bpy

from ..backend.job import UserError
from .images import ByteArray, read_image


def target_pixels(scene: bpy.types.Scene) -> ByteArray:
    image = scene.diffbmp.target.image
    if image is None:
        raise UserError("There is no target: choose an image")
    rgba = read_image(image)
    if not rgba[..., 3].any():
        raise UserError(f"The target {image.name} is fully transparent: choose another image")
    return rgba
