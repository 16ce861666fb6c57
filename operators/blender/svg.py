"""SVG files as curves, by Blender's own importer."""

from __future__ import annotations

from pathlib import Path

import addon_utils
import bpy

from ...backend.job import UserError
from .studio import show_color

_IMPORTER = "io_curve_svg"

STEP = 1e-5
"""Distance from shape to shape, in longer sides of the picture: the importer lays them all in one plane."""


def import_svg(path: Path) -> bpy.types.Collection:
    """Imports the shapes of an SVG file as curves in their own colors, unlit, in a collection that no scene shows.

    Raises UserError where the file is missing, is no SVG or has no shapes, or where the importer is missing.
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
        red, green, blue, _ = material.diffuse_color
        show_color(material, (red, green, blue))
    return collection


def _enable() -> None:
    if not addon_utils.check(_IMPORTER)[1] and addon_utils.enable(_IMPORTER) is None:
        raise UserError("Blender's SVG importer is not there: enable the add-on Scalable Vector Graphics (SVG) 1.1")


def _remove(collections: set[bpy.types.Collection]) -> None:
    for collection in collections:
        bpy.data.batch_remove([item.data for item in collection.all_objects if item.data])
    bpy.data.batch_remove(collections)


def _lay_apart(shapes: list[bpy.types.Object]) -> None:
    """Separates the shapes in their order, the last one in front."""
    bpy.context.view_layer.update()
    sides = [side for item in shapes for side in item.dimensions]
    for number, item in enumerate(shapes):
        item.location.z += number * STEP * max(sides)
