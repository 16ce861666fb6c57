"""Replace Stamp: shows another picture on all planes of a stamp, without a new fit."""

import math
from contextlib import suppress
from dataclasses import replace

import bpy
import numpy as np
from bpy.props import EnumProperty, StringProperty
from numpy.typing import NDArray

from ...backend.job import LEVEL_PADDING, TemplateSpec, UserError
from ..blender.images import ByteArray, read_image
from ..scene.materials import LEVEL_SPACES, new_packed, texture_of
from ..scene.planes import LEVEL, check_plane, level_of, set_corners
from ..scene.storage import store_layout, stored_layout, stored_spread
from .ownership import planes_of, remove_unused
from .rebuild import ResultOperator, meshes_of, stamps_of

FloatArray = NDArray[np.float64]


def replace_stamp(scene: bpy.types.Scene, number: int, image: bpy.types.Image) -> None:
    """Shows an image instead of a stamp of a built scene. number: of the stamp in the layout, from 0.

    The planes keep their places and the sizes of their longer sides. Raises UserError where there is no such stamp, or
    the image cannot be read, or a plane was edited or has lost its material; nothing is changed then.
    """
    layout = stored_layout(scene)
    if layout is None or not 0 <= number < len(layout.templates):
        raise UserError(f"The scene {scene.name} has no stamp {number + 1}: choose one that it has")
    rgba = read_image(image)
    if not rgba[..., 3].any():
        raise UserError(f"The image {image.name} is fully transparent: choose another image")
    height, width = rgba.shape[:2]
    old = layout.templates[number]
    spec = replace(old, name=image.name.rpartition(".")[0] or image.name, width=width, height=height)
    finer = round(2.0 * math.log2(max(width, height) / max(old.width, old.height)))
    last = np.array([math.ceil(2.0 * math.log2(side)) for side in (width, height)])
    shown = {plane.data for plane in planes_of(scene)} | set(meshes_of(scene).values())
    textures = {mesh: texture_of(mesh) for mesh in shown if level_of(mesh)[0] == number}
    for mesh in textures:
        check_plane(mesh)
    before = set()
    for mesh, texture in textures.items():
        level = (np.array(level_of(mesh)[1:]) + finer).clip(0, last).tolist()
        before.add(texture.image)
        texture.image = _picture(spec, rgba, (level[0], level[1]), layout.space)
        set_corners(mesh, texture.image, spec)
        mesh[LEVEL] = (number, *level)
    rows = layout.template == number
    layout.level[rows] = (layout.level[rows] + finer).clip(0, last)
    stamps = stamps_of(scene)
    before.add(stamps[number])
    stamps[number] = new_packed(spec.name, rgba, "sRGB")
    layout.templates[number] = spec
    store_layout(layout, stamps, scene, stored_spread(scene))
    remove_unused(filter(None, before))


def _picture(spec: TemplateSpec, rgba: ByteArray, level: tuple[int, int], space: str) -> bpy.types.Image:
    """Makes the packed, padded image of a level of a stamp."""
    width, height = (
        max(1, round(side * 2.0 ** (-step / 2.0))) for side, step in zip((spec.width, spec.height), level, strict=True)
    )
    bitmap = np.zeros((height + 2 * LEVEL_PADDING, width + 2 * LEVEL_PADDING, 4), np.uint8)
    inner = slice(LEVEL_PADDING, -LEVEL_PADDING)
    bitmap[inner, inner] = resampled(rgba, width, height)
    return new_packed(f"{spec.name} {level[0]}x{level[1]}", bitmap, LEVEL_SPACES[space])


def resampled(rgba: ByteArray, width: int, height: int) -> ByteArray:
    """Scales a picture [h, w, 4] down: each texel is the mean of what it covers, with colors weighted by alpha."""
    straight = rgba.astype(np.float64) / 255.0
    premultiplied = np.concatenate([straight[..., :3] * straight[..., 3:], straight[..., 3:]], 2)
    small = _averaged(_averaged(premultiplied, height).swapaxes(0, 1), width).swapaxes(0, 1)
    color = small[..., :3] / np.maximum(small[..., 3:], 1e-6)
    return np.rint(np.concatenate([color, small[..., 3:]], 2).clip(0.0, 1.0) * 255.0).astype(np.uint8)


def _averaged(pixels: FloatArray, size: int) -> FloatArray:
    """Returns the means of `size` equal parts along the first axis."""
    sums = np.concatenate([np.zeros_like(pixels[:1]), pixels.cumsum(0)])
    edges = np.linspace(0.0, len(pixels), size + 1)
    whole = np.minimum(edges.astype(int), len(pixels) - 1)
    at = sums[whole] + (edges - whole)[:, None, None] * pixels[whole]
    return np.diff(at, axis=0) * (size / len(pixels))


def _stamps(operator: bpy.types.Operator, context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    """Returns the stamps of the scene as items to choose from."""
    specs = []
    with suppress(UserError):  # the operator will tell it
        layout = stored_layout(context.scene) if context else None
        specs = layout.templates if layout else []
    # Blender keeps no reference to the texts.
    _stamps.kept = [(str(number), spec.name, "") for number, spec in enumerate(specs)]  # type: ignore[attr-defined]
    return _stamps.kept  # type: ignore[attr-defined]


class DIFFBMP_OT_replace_stamp(ResultOperator):
    bl_idname = "diffbmp.replace_stamp"
    bl_label = "Replace Stamp"
    bl_description = "Show another image instead of one of the stamps, on all of its planes"

    stamp: EnumProperty(items=_stamps, name="Stamp", description="Choose the stamp to replace")
    image: StringProperty(name="Image", description="Choose the image that takes its place")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.prop(self, "stamp")
        self.layout.prop_search(self, "image", bpy.data, "images")

    def execute(self, context: bpy.types.Context) -> set[str]:
        image = bpy.data.images.get(self.image)
        if image is None:
            return self.fail(UserError("Choose an image that takes the stamp's place"))
        number = int(self.stamp or 0)

        def act() -> str:
            replace_stamp(context.scene, number, image)
            return f"The stamp {number + 1} is {image.name} now"

        return self.run(act)


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_replace_stamp,))
