"""Finds and removes what was made for a built scene, and nothing of the artist's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import bpy

from ..scene.instances import dense_objects, shown_by
from ..scene.planes import LEVEL
from ..scene.storage import MADE


def planes_of(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Returns the planes of a built scene, with duplicates, in any of its collections."""
    meshes = {mesh for mesh in bpy.data.meshes if LEVEL in mesh}
    return [item for item in scene.collection.all_objects if item.data in meshes]


def home_of(scene: bpy.types.Scene) -> tuple[bpy.types.Collection, str]:
    """Returns the parent of the result's own collection, and the name of that collection."""
    for parent in (scene.collection, *scene.collection.children_recursive):
        for child in parent.children:
            if MADE in child:
                return (scene.collection if MADE in parent else parent), child.name
    return scene.collection, scene.name


def foreign_objects(scene: bpy.types.Scene) -> Iterator[bpy.types.Object]:
    """Yields objects that a scene shows but that were not made for it."""
    own = {*planes_of(scene), *dense_objects(scene)}
    return (item for item in scene.collection.all_objects if item not in own and MADE not in item)


def take_out(scene: bpy.types.Scene, into: bpy.types.Collection) -> set[bpy.types.ID]:
    """Unlinks a result's planes, instances and collections, and returns them with all that they consist of.

    Objects that the artist has put between them go to another collection. Collections that other scenes also show stay
    unchanged.
    """
    own = {*planes_of(scene), *dense_objects(scene)}
    parts = {part for item in own for part in _parts_of(item)}
    others = [other for other in bpy.data.scenes if other != scene]
    shared = {item for other in others for item in other.collection.children_recursive}
    for collection in (scene.collection, *scene.collection.children_recursive):
        if collection in shared:
            continue
        if MADE not in collection:
            for item in [item for item in collection.objects if item in own]:
                collection.objects.unlink(item)
            continue
        parts.add(collection)
        _move([item for item in collection.objects if item not in own], into.objects)
        _move([child for child in collection.children if MADE not in child], into.children)
    for collection in (scene.collection, *scene.collection.children_recursive):
        if collection not in shared:
            for child in [child for child in collection.children if MADE in child]:
                collection.children.unlink(child)
    return parts


def _move(items: list[Any], into: bpy.types.CollectionObjects | bpy.types.CollectionChildren) -> None:
    for item in items:
        if item.name not in into:
            into.link(item)


def stage_of(scene: bpy.types.Scene) -> set[bpy.types.ID]:
    """Returns the camera, the world and the compositor's nodes that were made for a scene."""
    cameras = [item for item in scene.collection.all_objects if item.type == "CAMERA" and MADE in item]
    tree = getattr(scene, "compositing_node_group", None)
    found = {*cameras, *(item.data for item in cameras), *({scene.world} if scene.world else ())}
    return {item for item in found if item is not None} | ({tree} if tree else set())


def remove_unused(parts: Iterable[bpy.types.ID]) -> None:
    """Removes collections, objects that no scene shows, and whatever of the rest is then unused."""
    parts = list(parts)
    shown = {item for scene in bpy.data.scenes for item in scene.collection.all_objects}
    objects = [item for item in parts if isinstance(item, bpy.types.Object) and item not in shown]
    trees = {tree: _read_by(tree) for item in objects if (tree := shown_by(item)) is not None}
    bpy.data.batch_remove(objects)
    bpy.data.batch_remove([item for item in parts if isinstance(item, bpy.types.Collection)])
    rest: set[bpy.types.ID] = {item for item in parts if not isinstance(item, bpy.types.Object | bpy.types.Collection)}
    for tree, read in trees.items():
        if tree.users == 0:
            rest.update(part for item in read if isinstance(item, bpy.types.Object) for part in _parts_of(item))
            rest.difference_update(read)
            bpy.data.batch_remove(read)
    while unused := [item for item in rest if item.users == 0]:
        rest.difference_update(unused)
        bpy.data.batch_remove(unused)


def _read_by(tree: bpy.types.NodeTree) -> list[bpy.types.ID]:
    """Returns the cache and the stamps of instances: objects and a collection that no scene shows."""
    sockets = [tree.nodes[name].inputs.get(socket) for name, socket in SOURCES if name in tree.nodes]
    found = [socket.default_value for socket in sockets if socket is not None and socket.default_value is not None]
    return found + [item for value in found if isinstance(value, bpy.types.Collection) for item in value.objects]


SOURCES = (("Cache", "Object"), ("Stamps", "Collection"))
"""Nodes that refer to the datablocks of instances, and their sockets, by name."""


def _parts_of(item: bpy.types.Object) -> Iterator[bpy.types.ID]:
    """Yields an object of the result, and what it consists of."""
    yield item
    yield item.data
    if item.animation_data and item.animation_data.action:
        yield item.animation_data.action
    for material in filter(None, item.data.materials):
        yield material
        yield from (node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE" and node.image)
    tree = shown_by(item)
    if tree is not None:
        yield tree
        if tree.animation_data and tree.animation_data.action:
            yield tree.animation_data.action
