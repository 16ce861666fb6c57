"""Scene to job folder: the target, the stamps and the settings, as the backend reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bpy

from ..backend.job import Job, TemplateSpec, UserError
from .folders import file_name
from .images import ByteArray, read_image, write_png
from .settings import color_mode, fit_settings, stamp_limits, takes_steering, unused_settings


def write_job(scene: bpy.types.Scene, folder: Path) -> list[str]:
    """Writes the scene's job into the folder. Returns a sentence about each thing that had to be left out.

    Raises UserError where the target or all stamps cannot be used, a setting makes no sense, or the folder cannot be
    written to.
    """
    settings = scene.diffbmp
    if settings.target.image is None:
        raise UserError("There is no target: choose an image")
    if settings.stamps.collection is None:
        raise UserError("There are no stamps: choose a collection of objects with image textures")
    images = stamp_images(settings.stamps.collection)
    if not images:
        raise UserError(
            f"The collection {settings.stamps.collection.name} holds no image: "
            "give its objects materials with image textures"
        )
    mode, blend = color_mode(scene)
    kind = TemplateSpec("", mode=mode, blend=blend, limits=stamp_limits(scene))
    wanted, left_out = fit_settings(scene), unused_settings(scene)
    target = _read_visible(settings.target.image, "The target")
    importance = settings.target.importance if takes_steering(scene) else None
    try:
        target_file = _write_picture(target, folder, "target")
        importance_file = _write_picture(read_image(importance), folder, "importance") if importance else ""
        specs, problems = _write_stamps(images, kind, folder)
        Job(target_file, specs, wanted, importance=importance_file).save(folder)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written to ({error.strerror}): see that there is space and permission"
        ) from error
    return [*problems, left_out] if left_out else problems


def stamp_images(collection: bpy.types.Collection) -> list[bpy.types.Image]:
    """The images in the materials of a collection's objects, and its image empties: each once, by object names."""
    found: dict[bpy.types.Image, None] = {}
    seen: set[bpy.types.NodeTree] = set()
    for item in sorted(collection.all_objects, key=lambda item: item.name):
        if item.type == "EMPTY" and item.data is not None:
            found[item.data] = None
        for slot in item.material_slots:
            if slot.material and slot.material.node_tree:
                found.update(dict.fromkeys(_node_images(slot.material.node_tree, seen)))
    return list(found)


def _node_images(tree: bpy.types.NodeTree, seen: set[bpy.types.NodeTree]) -> Iterator[bpy.types.Image]:
    if tree in seen:
        return
    seen.add(tree)
    for node in tree.nodes:
        if node.type == "TEX_IMAGE" and node.image:
            yield node.image
        elif node.type == "GROUP" and node.node_tree:
            yield from _node_images(node.node_tree, seen)


def _read_visible(image: bpy.types.Image, what: str) -> ByteArray:
    rgba = read_image(image)
    if not rgba[..., 3].any():
        raise UserError(f"{what} {image.name} is fully transparent: choose another image")
    return rgba


def _write_picture(rgba: ByteArray, folder: Path, name: str) -> str:
    """Writes it into a folder of its own and returns its path in the job's folder."""
    (folder / name).mkdir()
    write_png(folder / name / "0001.png", rgba)
    return f"{name}/0001.png"


def _write_stamps(
    images: list[bpy.types.Image], kind: TemplateSpec, folder: Path
) -> tuple[list[TemplateSpec], list[str]]:
    """kind: what all stamps have in common."""
    (folder / "templates").mkdir()
    specs: list[TemplateSpec] = []
    problems: list[str] = []
    for image in images:
        try:
            rgba = _read_visible(image, "The image")
        except UserError as error:
            problems.append(error.message)
            continue
        name = Path(image.name).stem
        file = f"templates/{len(specs):03d}_{file_name(name)}.png"
        write_png(folder / file, rgba)
        height, width = rgba.shape[:2]
        specs.append(replace(kind, file=file, name=name, width=width, height=height))
    if not specs:
        raise UserError(f"No stamp can be used: {'; '.join(problems)}")
    return specs, problems
