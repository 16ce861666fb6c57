"""Bake to Mesh: joins all planes of a result to one mesh, with tint and opacity as an attribute."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.job import Layout
from ..scene.materials import material_of
from ..scene.planes import check_meshes, check_plane, levels_of, transforms
from ..scene.stage import make_scene
from ..scene.storage import stored_spread
from .readback import read_scene
from .rebuild import ResultOperator, meshes_of

TINT = "tint"
"""Attribute of the mesh: tint and opacity. Cycles finds none with the name of the objects' own property."""

CORNERS = 4
"""Corners of a plane."""


def bake(scene: bpy.types.Scene) -> bpy.types.Scene:
    """Makes a scene that shows a built scene's picture as one mesh. Raises UserError as read_scene and material_of do.

    The mesh has a face for each plane, the last one first, with its stamp's UV, a material for each level, and the
    attribute TINT with tint and opacity, in the values that are composited.
    """
    reading, meshes, spread = read_scene(scene), meshes_of(scene), stored_spread(scene)
    layout, own = reading.layout, reading.own_meshes
    check_meshes(layout, meshes, own)
    shown = [own.get(row) or meshes[level] for row, level in enumerate(levels_of(layout))]
    kinds = {part: number for number, part in enumerate(dict.fromkeys(shown))}
    for part in kinds:
        check_plane(part)
    materials = [material_of(part) for part in kinds]
    mesh = _joined(layout, list(kinds), np.array([kinds[part] for part in shown], np.int32), spread, scene.name)
    for material in materials:
        mesh.materials.append(_of_geometry(material))
    baked = make_scene(layout, f"{scene.name} mesh", scene.cycles.samples, spread)
    collection = bpy.data.collections.new(mesh.name)
    collection.objects.link(bpy.data.objects.new(mesh.name, mesh))
    baked.collection.children.link(collection)
    return baked


def _joined(
    layout: Layout,
    parts: list[bpy.types.Mesh],
    kind: NDArray[np.int32],  # [N] which of the parts each primitive shows
    spread: float,
    name: str,
) -> bpy.types.Mesh:
    """Makes one mesh of the planes' corners and faces."""
    count, kind = layout.count, kind[::-1]
    corners = np.empty((len(parts), CORNERS, 3), np.float32)
    uvs = np.empty((len(parts), CORNERS, 2), np.float32)
    for part, places, uv in zip(parts, corners, uvs, strict=True):
        part.vertices.foreach_get("co", places.ravel())
        part.uv_layers[0].data.foreach_get("uv", uv.ravel())
    moves = transforms(layout, [0], spread)
    scale, turn, place = (values[0, ::-1] for values in (moves.scale, moves.rotation, moves.location))
    flat = corners[kind, :, :2] * scale[:, None]
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    places = np.empty((count, CORNERS, 3), np.float32)
    places[..., 0] = cos * flat[..., 0] - sin * flat[..., 1] + place[:, :1]
    places[..., 1] = sin * flat[..., 0] + cos * flat[..., 1] + place[:, 1:2]
    places[..., 2] = place[:, 2:]

    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(CORNERS * count)
    mesh.loops.add(CORNERS * count)
    mesh.polygons.add(count)
    mesh.vertices.foreach_set("co", places.ravel())
    mesh.loops.foreach_set("vertex_index", np.arange(CORNERS * count, dtype=np.int32))
    mesh.polygons.foreach_set("loop_start", np.arange(0, CORNERS * count, CORNERS, dtype=np.int32))
    mesh.polygons.foreach_set("material_index", kind)
    mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", uvs[kind].ravel())
    colors: NDArray[np.float32] = np.repeat(moves.color[0, ::-1].astype(np.float32), CORNERS, 0)
    mesh.attributes.new(TINT, "FLOAT_COLOR", "POINT").data.foreach_set("color", colors.ravel())
    mesh.update(calc_edges=True)
    return mesh


def _of_geometry(material: bpy.types.Material) -> bpy.types.Material:
    """Copies a material, to take tint and opacity from the mesh and not from the object."""
    copied = material.copy()
    for node in copied.node_tree.nodes:
        if node.type == "ATTRIBUTE":
            node.attribute_type, node.attribute_name = "GEOMETRY", TINT
    return copied


class DIFFBMP_OT_bake(ResultOperator):
    bl_idname = "diffbmp.bake"
    bl_label = "Bake to Mesh"
    bl_description = "Join all planes to one mesh, in a scene of its own, for other programs and game engines"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.run(lambda: f"Baked to the scene {bake(context.scene).name}")


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_bake,))
