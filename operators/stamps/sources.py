"""What a collection of the scene, or a selection of objects, offers as stamps. Nothing is read or rendered here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import bpy
import numpy as np

_EVEN = 1e-4
"""A mesh is no more than its picture whose thinnest side is at most so many times the longest: others are rendered."""

WHOLE = (0.0, 0.0, 1.0, 1.0)
"""A crop of an image that leaves it as it is."""

Crop = tuple[float, float, float, float]

_SUFFIX = re.compile(r"\.(png|jpe?g|jp2|tiff?|exr|hdr|webp|bmp|tga|gif|psd|svg)(?=(\.\d+)?$)", re.IGNORECASE)
_RENDERABLE = {"MESH", "CURVE", "SURFACE", "META", "FONT", "CURVES", "POINTCLOUD", "VOLUME", "GREASEPENCIL", "EMPTY"}


@dataclass(frozen=True)
class Source:
    """Where a stamp's pixels come from: an image, an object, a collection's objects together, or a text.

    Of an image `crop` is what is shown: left, bottom, right, top in UV. A text is set in the style of the object, or
    else in the font, or else in Blender's own.
    """

    name: str
    image: bpy.types.Image | None = None
    object: bpy.types.Object | None = None
    collection: bpy.types.Collection | None = None
    font: bpy.types.VectorFont | None = None
    text: str = ""
    crop: Crop = WHOLE


def image_source(image: bpy.types.Image, crop: Crop = WHOLE) -> Source:
    """An image, or a part of it."""
    return Source(short_name(image.name), image=image, crop=crop)


def collection_sources(collection: bpy.types.Collection, take: str, split: str) -> list[Source]:
    """The stamps of a collection's objects, those of nested collections included: each once, by the objects' names.

    take and split: see object_sources.
    """
    return object_sources(sorted(collection.all_objects, key=lambda item: item.name), take, split)


def object_sources(objects: Iterable[bpy.types.Object], take: str, split: str) -> list[Source]:
    """The stamps of objects, each once.

    take: "AUTO" = the images of flat objects, and the others as they look; "IMAGES" = images only; "RENDER" = every
    object as it looks. split: a text's "LETTERS", "WORDS" or the "WHOLE" of it.
    """
    found: dict[Source, None] = {}
    for item in objects:
        found.update(dict.fromkeys(_of_object(item, take, split)))
    return list(found)


def text_sources(
    text: str, split: str, *, font: bpy.types.VectorFont | None = None, style: bpy.types.Object | None = None
) -> list[Source]:
    """The letters or words of a text, each once, or the whole of it; none where it is blank."""
    words = [" ".join(text.split())] if split == "WHOLE" else text.split()
    parts = [letter for word in words for letter in word] if split == "LETTERS" else words
    return [Source(part, object=style, font=font, text=part) for part in dict.fromkeys(parts) if part]


def short_name(name: str) -> str:
    """A datablock's name without the suffix of an image's file, but with the number that tells it from others."""
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
    if item.type != "MESH":
        return False
    if item.modifiers:
        return False
    corners = np.array([tuple(corner) for corner in item.bound_box])
    sides = corners.max(0) - corners.min(0)
    return bool(sides.min() <= _EVEN * sides.max())


def _images(item: bpy.types.Object) -> list[Source]:
    """The images in the object's materials, cropped to what the object shows of them."""
    found: dict[Source, None] = {}
    for number, slot in enumerate(item.material_slots):
        if slot.material and slot.material.node_tree:
            images = list(dict.fromkeys(node_images(slot.material.node_tree, set())))
            # Beside a picture, an image that is data is a normal map or the like.
            pictures = [image for image in images if not image.colorspace_settings.is_data]
            crop = _shown(item, number)
            found.update(dict.fromkeys(image_source(image, crop) for image in pictures or images))
    return list(found)


def missing_texture(objects: Iterable[bpy.types.Object]) -> str:
    """The name of an image whose file is missing, of the materials of some objects; "" where there is none."""
    for item in objects:
        for slot in item.material_slots:
            if slot.material and slot.material.node_tree:
                for image in node_images(slot.material.node_tree, set()):
                    if image.source == "FILE" and not image.packed_file and 0 in image.size:
                        return str(image.name)
    return ""


def node_images(tree: bpy.types.NodeTree, seen: set[bpy.types.NodeTree]) -> Iterator[bpy.types.Image]:
    """The images of a material's texture nodes, also inside of groups. seen: groups that are not looked at again."""
    if tree in seen:
        return
    seen.add(tree)
    for node in tree.nodes:
        if node.type == "TEX_IMAGE" and node.image:
            yield node.image
        elif node.type == "GROUP" and node.node_tree:
            yield from node_images(node.node_tree, seen)


def _shown(item: bpy.types.Object, slot: int) -> Crop:
    """What the faces of a material slot show of its image. All of it where the UVs repeat it or are no area."""
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
