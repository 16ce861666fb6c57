"""Objects as masks and maps: their silhouettes, and the colors painted on their vertices."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ...backend.job import UserError
from .images import ByteArray
from .studio import Frame, frame_of, plain_material, render_scene, studio

SAMPLES = 16
"""Samples per pixel: edges have this many shades."""


def render_silhouette(
    objects: Sequence[bpy.types.Object], camera: bpy.types.Object, width: int, height: int
) -> NDArray[np.uint8]:
    """Renders how much of each pixel of a camera's picture the objects cover: [height, width], 0 to 255.

    Raises UserError where they cannot be rendered.
    """
    with studio(objects) as scene:
        scene.view_layers[0].material_override = plain_material()
        _look_through(scene, camera)
        return render_scene(scene, width, height, SAMPLES)[..., 3]


def render_vertex_colors(
    item: bpy.types.Object, width: int, height: int, *, attribute: str = "", camera: bpy.types.Object | None = None
) -> ByteArray:
    """Renders the colors painted on an object's vertices, unlit: [height, width, 4].

    attribute: its name; "" = the active one. camera: where it is seen from; None = it fills the picture.
    Raises UserError where there are no such colors.
    """
    colors = item.data.color_attributes if item.type == "MESH" else None
    chosen = (colors.get(attribute) if attribute else colors.active_color) if colors else None
    if chosen is None:
        named = f"color attribute {attribute}" if attribute else "painted vertex colors"
        raise UserError(f"The object {item.name} has no {named}: paint it in Vertex Paint mode")
    with studio([item]) as scene:
        scene.view_layers[0].material_override = _attribute_material(chosen.name)
        if camera is not None:
            _look_through(scene, camera)
        else:
            _fill(scene, frame_of(scene, [item], "AUTO"), width, height)
        return render_scene(scene, width, height, SAMPLES)


def _look_through(scene: bpy.types.Scene, camera: bpy.types.Object) -> None:
    """Renders a studio's scene through another camera than its own."""
    if camera.name not in scene.collection.objects:
        scene.collection.objects.link(camera)
    scene.camera = camera


def _fill(scene: bpy.types.Scene, frame: Frame, width: int, height: int) -> None:
    """Fills the picture with the frame, whatever aspect its pixels then have."""
    camera = scene.camera
    camera.data.type = "ORTHO"
    camera.data.ortho_scale = max(frame.width, frame.height)
    distance = frame.depth + 0.1 * camera.data.ortho_scale
    camera.data.clip_start, camera.data.clip_end = 0.01 * distance, 3.0 * distance
    camera.matrix_world = Matrix.Translation(frame.center + frame.rotation.col[2] * distance) @ frame.rotation.to_4x4()
    across, down = frame.width / width, frame.height / height
    if min(across, down) <= 0:
        raise UserError("From the front the painted object is only a line: choose a camera")
    scene.render.pixel_aspect_x = across / min(across, down)
    scene.render.pixel_aspect_y = down / min(across, down)


def _attribute_material(name: str) -> bpy.types.Material:
    material = plain_material()
    tree = material.node_tree
    colors = tree.nodes.new("ShaderNodeAttribute")
    colors.attribute_name = name
    (emission,) = (node for node in tree.nodes if node.type == "EMISSION")
    tree.links.new(colors.outputs["Color"], emission.inputs["Color"])
    return material
