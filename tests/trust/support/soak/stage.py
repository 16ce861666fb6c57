"""The file of an artist on which a soak works: two scenes with their targets, stamps, masks and things of their own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from diffbmp.operators.blender.images import write_png

from tests.addon.support.pictures import disc, make_image, picture
from tests.addon.support.scenes import add_square, add_stamp, make_cube, make_mask

SCENES = ("One", "Two")
FRAMES = 5
KINDS = ("objects", "meshes", "materials", "images", "collections", "masks", "scenes", "node_groups", "cameras")


def make_stage(folder: Path) -> None:
    """Makes the file, and saves it as soak.blend in the folder, with the pictures of its clip beside it."""
    (folder / "shot").mkdir()
    for number in range(1, FRAMES + 1):
        rgba = np.full((32, 48, 4), 255, np.uint8)
        rgba[..., :3] = 40 * number
        rgba[8:24, 4 * number : 4 * number + 16, 1:3] = 0
        write_png(folder / "shot" / f"shot_{number:04d}.png", rgba)
    bpy.context.scene.name = SCENES[0]
    bpy.data.scenes.new(SCENES[1])
    add_square(make_mask("square").layers[0], 0.25, 0.75)
    for name, size in zip(SCENES, (64, 40), strict=True):
        scene = bpy.data.scenes[name]
        stamps = bpy.data.collections.new(f"Stamps of {name}")
        scene.collection.children.link(stamps)
        for label, pixels in (("disc", disc()), ("leaf", picture(9, 21))):
            add_stamp(stamps, packed(f"{label} of {name}", pixels))
        scene.collection.objects.link(make_cube(f"cube of {name}"))
        scene.diffbmp.target.image = packed(f"target of {name}", picture(size, 48))
        scene.diffbmp.stamps.collection = stamps
    clip = bpy.data.images.load(str(folder / "shot" / "shot_0001.png"))
    clip.name, clip.source, clip.use_fake_user = "clip", "SEQUENCE", True
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "soak.blend"))


def packed(name: str, pixels: Any) -> bpy.types.Image:
    """Makes an image that is saved with the file."""
    image = make_image(name, pixels)
    image.pack()
    image.use_fake_user = True
    return image


def names() -> dict[str, set[str]]:
    """Returns the names of the file's datablocks by kind."""
    return {kind: {item.name_full for item in getattr(bpy.data, kind)} for kind in KINDS}


def fingerprints(known: dict[str, set[str]]) -> dict[str, str]:
    """Returns what identifies each of the known datablocks: "" for one that is gone."""
    return {
        f"{kind}/{name}": _describe(kind, getattr(bpy.data, kind).get(name))
        for kind, items in known.items()
        for name in sorted(items)
    }


def _describe(kind: str, item: Any) -> str:
    if item is None:
        return ""
    if kind == "objects":
        homes = sorted(home.name for home in item.users_collection)
        return f"{[list(row) for row in item.matrix_world]} {item.data.name if item.data else ''} {homes}"
    if kind == "meshes":
        return f"{len(item.vertices)} {len(item.polygons)} {[part.name for part in item.materials if part]}"
    if kind == "materials":
        return f"{[(node.name, node.type) for node in item.node_tree.nodes]}"
    if kind == "images":
        pixels = np.empty(len(item.pixels) if item.source != "SEQUENCE" else 0, np.float32)
        if len(pixels):
            item.pixels.foreach_get(pixels)
        return f"{item.source} {list(item.size)} {hashlib.sha256(pixels.tobytes()).hexdigest()}"
    if kind == "collections":
        return f"{[part.name for part in item.objects]} {[part.name for part in item.children]}"
    if kind == "masks":
        return f"{[(layer.name, len(layer.splines)) for layer in item.layers]}"
    return kind
