"""SVG files as curves, by Blender's own importer."""

from __future__ import annotations

from pathlib import Path

import addon_utils
import bpy

from ...backend.job import UserError
from .versions import empty_node_tree

_IMPORTER = "io_curve_svg"

STEP = 1e-5
"""Distance from shape to shape, times the picture's longer side: the importer lays them all in one plane."""


def import_svg(path: Path) -> bpy.types.Collection:
    """The shapes of an SVG file as a collection of curves in their own colors, unlit; it is in no scene.

    Raises UserError where the file is missing, no SVG or without shapes, or where the importer is not there.
    """
    if not path.is_file():
        raise UserError(f"The file {path} does not exist: choose another")
    _enable()
    before = set(bpy.data.collections)
    try:
        bpy.ops.import_curve.svg(filepath=str(path))
    except RuntimeError as error:
        _remove(set(bpy.data.collections) - before)
        raise UserError(f"{path} cannot be read as an SVG: save it again or choose another") from error
    made = set(bpy.data.collections) - before
    shapes = [item for collection in made for item in collection.all_objects]
    if not shapes:
        _remove(made)
        raise UserError(f"{path} holds no shapes that Blender can read: texts must be made into paths first")
    collection = next(iter(made))
    for owner in (*bpy.data.scenes, *bpy.data.collections):
        children = owner.collection.children if isinstance(owner, bpy.types.Scene) else owner.children
        if collection.name in children:
            children.unlink(collection)
    collection.name = path.stem
    _lay_apart(shapes)
    for material in {slot.material for item in shapes for slot in item.material_slots if slot.material}:
        _make_flat(material)
    return collection


def _enable() -> None:
    if not addon_utils.check(_IMPORTER)[1] and addon_utils.enable(_IMPORTER) is None:
        raise UserError("Blender's SVG importer is not there: enable the add-on Scalable Vector Graphics (SVG) 1.1")


def _remove(collections: set[bpy.types.Collection]) -> None:
    for collection in collections:
        bpy.data.batch_remove([item.data for item in collection.all_objects if item.data])
    bpy.data.batch_remove(collections)


def _lay_apart(shapes: list[bpy.types.Object]) -> None:
    """In their order, the last one in front."""
    bpy.context.view_layer.update()
    sides = [side for item in shapes for side in item.dimensions]
    for number, item in enumerate(shapes):
        item.location.z += number * STEP * max(sides)


def _make_flat(material: bpy.types.Material) -> None:
    """Shows the shape's color as it is."""
    red, green, blue, _ = material.diffuse_color
    tree = empty_node_tree(material)
    emission = tree.nodes.new("ShaderNodeEmission")
    emission.inputs["Color"].default_value = (red, green, blue, 1.0)
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
