"""Finds the sources of stamps in collections, objects and texts. Nothing is read or rendered here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import bpy
import numpy as np

_EVEN = 1e-4
"""Thinnest side of a flat mesh at most, as a fraction of the longest. Other meshes are rendered."""

WHOLE = (0.0, 0.0, 1.0, 1.0)
"""The crop of a whole image."""

Crop = tuple[float, float, float, float]

_SUFFIX = re.compile(r"\.(png|jpe?g|jp2|tiff?|exr|hdr|webp|bmp|tga|gif|psd|svg)(?=(\.\d+)?$)", re.IGNORECASE)
_RENDERABLE = {"MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD", "VOLUME", "GREASEPENCIL", "EMPTY"}


@dataclass(frozen=True)
class Source:
    """Where a stamp's pixels come from: an image, an object, a collection's objects together, or a text.

    crop: the part of an image that is shown: left, bottom, right, top in UV. A text has the style of the object, or
    else the font, or else Blender's own font.
    """

    name: str
    image: bpy.types.Image | None = None
    object: bpy.types.Object | None = None
    collection: bpy.types.Collection | None = None
    font: bpy.types.VectorFont | None = None
    text: str = ""
    crop: Crop = WHOLE


def image_source(image: bpy.types.Image, crop: Crop = WHOLE) -> Source:
    """Returns the source of an image, or of a part of it."""
    return Source(short_name(image.name), image=image, crop=crop)


def collection_sources(collection: bpy.types.Collection, take: str, split: str) -> list[Source]:
    """Returns the sources in a collection and its nested collections, each once, by the objects' names.

    take and split: see object_sources.
    """
    return object_sources(sorted(collection.all_objects, key=lambda item: item.name), take, split)


def object_sources(objects: Iterable[bpy.types.Object], take: str, split: str) -> list[Source]:
    """Returns the sources of objects, each once.

    take: "AUTO" = images of flat objects, renders of all others; "IMAGES" = images only; "RENDER" = renders only.
    split: texts by "LETTERS", "WORDS" or as a "WHOLE".
    """
    found: dict[Source, None] = {}
    for item in objects:
        found.update(dict.fromkeys(_of_object(item, take, split)))
    return list(found)


def text_sources(
    text: str, split: str, *, font: bpy.types.VectorFont | None = None, style: bpy.types.Object | None = None
) -> list[Source]:
    """Returns the letters or words of a text, each once, or the whole text; none where it is blank."""
    words = [" ".join(text.split())] if split == "WHOLE" else text.split()
    parts = [letter for word in words for letter in word] if split == "LETTERS" else words
    return [Source(part, object=style, font=font, text=part) for part in dict.fromkeys(parts) if part]


def short_name(name: str) -> str:
    """Returns a datablock's name without the suffix of an image's file, but with Blender's number, as in "a.001"."""
    return _SUFFIX.sub("", name) or name


def _of_object(item: bpy.types.Object, take: str, split: str) -> Iterator[Source]:
    if item.type not in _RENDERABLE:
        return
    if item.type == "EMPTY" and item.data is not None:
        yield image_source(item.data)
    elif take != "RENDER" and (take == "IMAGES" or _is_flat(item)) and (images := _images(item)):
        yield from images
    elif take == "IMAGES" or (item.type == "EMPTY" and item.instance_collection is None):
        return
    elif item.type == "FONT" and split != "WHOLE":
        yield from text_sources(item.data.body, split, style=item)
    elif item.type != "MESH" or item.data.vertices or item.modifiers:
        yield Source(item.name, object=item)


def _is_flat(item: bpy.types.Object) -> bool:
    if item.type != "MESH" or item.modifiers:
        return False
    corners = np.array([tuple(corner) for corner in item.bound_box])
    sides = corners.max(0) - corners.min(0)
    return bool(sides.min() <= _EVEN * sides.max())


def _images(item: bpy.types.Object) -> list[Source]:
    """The images in the object's materials, cropped to the part that the object shows."""
    found: dict[Source, None] = {}
    for number, slot in enumerate(item.material_slots):
        if slot.material and slot.material.node_tree:
            images = list(dict.fromkeys(node_images(slot.material.node_tree, set())))
            # Next to a picture, a non-color image is a normal map or the like.
            pictures = [image for image in images if not image.colorspace_settings.is_data]
            crop = _shown(item, number)
            found.update(dict.fromkeys(image_source(image, crop) for image in pictures or images))
    return list(found)


def missing_texture(objects: Iterable[bpy.types.Object]) -> str:
    """Returns the name of an image with a missing file in the objects' materials; "" where there is none."""
    for item in objects:
        for slot in item.material_slots:
            if slot.material and slot.material.node_tree:
                for image in node_images(slot.material.node_tree, set()):
                    if image.source == "FILE" and not image.packed_file and 0 in image.size:
                        return str(image.name)
    return ""


def node_images(tree: bpy.types.NodeTree, seen: set[bpy.types.NodeTree]) -> Iterator[bpy.types.Image]:
    """Yields the images of a material's texture nodes, also inside groups. seen: trees to skip."""
    if tree in seen:
        return
    seen.add(tree)
    for node in tree.nodes:
        if node.type == "TEX_IMAGE" and node.image:
            yield node.image
        elif node.type == "GROUP" and node.node_tree:
            yield from node_images(node.node_tree, seen)


def _shown(item: bpy.types.Object, slot: int) -> Crop:
    """The part of the image that a material slot's faces show: the whole where the UVs repeat it or have no area."""
    mesh = item.data
    if item.type != "MESH" or not mesh.polygons or mesh.uv_layers.active is None:
        return WHOLE
    uv = np.empty((len(mesh.loops), 2), np.float32)
    mesh.uv_layers.active.data.foreach_get("uv", uv.ravel())
    slots, totals = (np.empty(len(mesh.polygons), np.int32) for _ in range(2))
    mesh.polygons.foreach_get("material_index", slots)
    mesh.polygons.foreach_get("loop_total", totals)
    own = uv[np.repeat(slots == slot, totals)]
    if not len(own) or not np.isfinite(own).all():
        return WHOLE
    left, bottom, right, top = (round(float(value), 5) for value in (*own.min(0), *own.max(0)))
    inside = min(left, bottom) >= -1e-3 and max(right, top) <= 1 + 1e-3
    if not inside or right - left < 1e-4 or top - bottom < 1e-4:
        return WHOLE
    return max(left, 0.0), max(bottom, 0.0), min(right, 1.0), min(top, 1.0)
