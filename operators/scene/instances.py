"""The dense form: all primitives as instances on the points of one object, with all frames in one cache mesh.

A frame takes some milliseconds, and 48 bytes per primitive, where each plane takes 25 us and a kilobyte of keys.
"""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...backend.job import Layout, UserError
from ..blender.versions import channelbag_of
from .instance_nodes import OPACITY, PRIMITIVE, SHAPE, STAMP, TIME, TINT, make_tree
from .keyframes import cuts, write_steps
from .planes import LEVEL, Level, Transforms, level_of, levels_of, transforms
from .storage import MADE

MODIFIER = "DiffBMP"
"""Name of the modifier that shows the instances."""


def build_instances(
    layout: Layout, meshes: dict[Level, bpy.types.Mesh], collection: bpy.types.Collection, spread: float = 0.0
) -> bpy.types.Object:
    """Makes one object in a collection that shows all primitives of a layout in all of its frames.

    meshes: see planes.make_meshes(). spread: see planes.transforms(). The object has a point per primitive, at the
    place where it is first seen.
    """
    name = collection.name
    moves = transforms(layout, spread=spread)
    tree = make_tree(f"{name} stamps", make_cache(f"{name} cache", moves), _stamps(name, meshes), *layout.opacity.shape)
    _key_time(tree, layout)
    first = (layout.opacity > 0).argmax(0)  # [N]
    kinds = {level: number for number, level in enumerate(meshes)}
    rows = np.arange(layout.count)
    places = moves.location[first, rows]
    mesh = bpy.data.meshes.new(name)
    fill_points(mesh, places, rows, [kinds[level] for level in levels_of(layout)])
    shown = bpy.data.objects.new(name, mesh)
    shown.modifiers.new(MODIFIER, "NODES").node_group = tree
    collection.objects.link(shown)
    return shown


def dense_objects(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Returns the objects of a scene that show a layout as instances, in any of its collections."""
    # There may be very many objects: go through them only where there are such meshes.
    meshes = {mesh for mesh in bpy.data.meshes if PRIMITIVE in mesh.attributes}
    return [item for item in scene.collection.all_objects if item.data in meshes] if meshes else []


def dense_object(scene: bpy.types.Scene) -> bpy.types.Object | None:
    """Returns the first of a scene's dense objects, None where there is none."""
    return next(iter(dense_objects(scene)), None)


def shown_by(item: bpy.types.Object) -> bpy.types.NodeTree | None:
    """Returns the nodes by which an object shows instances, None where it shows none."""
    if item.type != "MESH" or PRIMITIVE not in item.data.attributes:
        return None
    modifier = item.modifiers.get(MODIFIER)
    return modifier.node_group if modifier and modifier.type == "NODES" else None


def primitives_of(shown: bpy.types.Object, count: int | None = None) -> NDArray[np.int32]:
    """Returns the numbers of a dense object's primitives from 0, a row per point.

    count: primitives of the layout, None = not known. Raises UserError in Edit Mode, and where its points were changed
    to show others.
    """
    if shown.mode == "EDIT":
        raise UserError(f"{shown.name} is in Edit Mode: leave that first")
    numbers = np.empty(len(shown.data.vertices), np.int32)
    for name in (STAMP, PRIMITIVE):
        attribute = shown.data.attributes.get(name)
        if attribute is None or (attribute.data_type, attribute.domain) != ("INT", "POINT"):
            raise UserError(f"The points of {shown.name} have no {name}: undo that, or build the layout again")
        attribute.data.foreach_get("value", numbers)
    if count is not None and len(numbers) and not 0 <= numbers.min() <= numbers.max() < count:
        raise UserError(f"The points of {shown.name} are of another layout: undo that, or build the layout again")
    return numbers


def remove_points(shown: bpy.types.Object, gone: ArrayLike) -> None:
    """Removes points of a dense object, which must not be in Edit Mode. gone: bool, a row per point."""
    mesh = shown.data
    places = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", places.ravel())
    stamps = np.empty(len(mesh.vertices), np.int32)
    mesh.attributes[STAMP].data.foreach_get("value", stamps)
    numbers = np.empty(len(mesh.vertices), np.int32)
    mesh.attributes[PRIMITIVE].data.foreach_get("value", numbers)
    kept = ~np.asarray(gone)
    mesh.clear_geometry()
    fill_points(mesh, places[kept], numbers[kept], stamps[kept])


def stamp_meshes(shown: bpy.types.Object) -> dict[Level, bpy.types.Mesh]:
    """Returns the meshes that a dense object shows, by level; planes show the same.

    Raises UserError where its nodes or its stamps were changed.
    """
    groups = (modifier.node_group for modifier in shown.modifiers if modifier.type == "NODES")
    nodes = (group.nodes.get("Stamps") for group in groups if group)
    sockets = (node.inputs.get("Collection") for node in nodes if node)
    stamps = next((socket.default_value for socket in sockets if socket), None)
    if not isinstance(stamps, bpy.types.Collection):
        raise UserError(f"The nodes of {shown.name} no longer show its stamps: undo that, or build the layout again")
    meshes = (item.data for item in stamps.objects if item.type == "MESH")
    return {level_of(mesh): mesh for mesh in meshes if LEVEL in mesh}


def fill_points(mesh: bpy.types.Mesh, places: ArrayLike, primitives: ArrayLike, stamps: ArrayLike) -> None:
    """Gives an empty mesh the points of a dense object.

    places: [N, 3]. primitives: their numbers from 0, [N]. stamps: numbers of their objects in the collection, [N].
    """
    places = np.asarray(places, np.float32)
    mesh.vertices.add(len(places))
    mesh.vertices.foreach_set("co", places.ravel())
    for name, values in ((PRIMITIVE, primitives), (STAMP, stamps)):
        if name not in mesh.attributes:
            mesh.attributes.new(name, "INT", "POINT")
        mesh.attributes[name].data.foreach_set("value", np.asarray(values, np.int32))
    mesh.update()


def _stamps(name: str, meshes: dict[Level, bpy.types.Mesh]) -> bpy.types.Collection:
    """Makes a hidden collection of one object per level, named in order: instances pick them by name."""
    stamps = bpy.data.collections.new(f"{name} stamps")
    stamps[MADE] = True
    digits = len(str(len(meshes)))
    for number, mesh in enumerate(meshes.values()):
        stamps.objects.link(bpy.data.objects.new(f"{number:0{digits}d} {mesh.name}", mesh))
    return stamps


def make_cache(name: str, moves: Transforms) -> bpy.types.Object:
    """Makes a hidden object with a vertex per frame and primitive, frame after frame."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(moves.rotation.size)
    for attribute, kind in ((SHAPE, "FLOAT_VECTOR"), (TINT, "FLOAT_VECTOR"), (OPACITY, "FLOAT")):
        mesh.attributes.new(attribute, kind, "POINT")  # type: ignore[arg-type]
    set_cache(mesh, moves)
    return bpy.data.objects.new(name, mesh)


def set_cache(mesh: bpy.types.Mesh, moves: Transforms) -> None:
    """Stores transforms in the mesh of a cache, which has as many frames and primitives."""
    mesh.vertices.foreach_set("co", moves.location.astype(np.float32).ravel())
    shape = np.concatenate([moves.scale, moves.rotation[..., None]], 2)
    for attribute, key, values in (
        (SHAPE, "vector", shape),
        (TINT, "vector", moves.color[..., :3]),
        (OPACITY, "value", moves.color[..., 3]),
    ):
        mesh.attributes[attribute].data.foreach_set(key, values.astype(np.float32).ravel())
    mesh.update()


def _key_time(tree: bpy.types.NodeTree, layout: Layout) -> None:
    """Keys which of the layout's frames is shown when, as an F-curve, so that an artist can change the speed.

    The curve steps at cuts, so that two shots are never mixed, and is linear between them.
    """
    times, cut = np.array(layout.frames, np.float64), cuts(layout)
    if len(times) == 1:
        return
    keys = np.ones(len(times), np.bool_)
    # Where the speed stays the same no key is needed.
    keys[1:-1] = np.diff(times, 2) != 0
    keys |= cut
    keys[:-1] |= cut[1:]
    held = np.append(cut[1:], False)
    at = np.flatnonzero(keys)
    action = bpy.data.actions.new(tree.name)
    path = f'nodes["{TIME}"].outputs[0].default_value'
    write_steps(channelbag_of(action, tree).fcurves.new(path), times[at], at.astype(np.float64), held[at])
