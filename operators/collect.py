"""Scene to job folder: the target, the stamps and the settings, as the backend reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from ..backend.job import Job, Settings, TemplateSpec, UserError
from .folders import file_name
from .images import read_image, write_png


def write_job(scene: bpy.types.Scene, folder: Path) -> list[str]:
    """Writes the scene's job into the folder. Returns a sentence about each stamp that had to be left out.

    Raises UserError where the target or all stamps cannot be used, or the folder cannot be written to.
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
    target = read_image(settings.target.image)
    if not target[..., 3].any():
        raise UserError(f"The target {settings.target.image.name} is fully transparent: choose another image")
    try:
        (folder / "target").mkdir()
        (folder / "templates").mkdir()
        write_png(folder / "target" / "0001.png", target)
        specs, problems = _write_stamps(images, settings.stamps, folder)
        Job("target/0001.png", specs, fit_settings(scene)).save(folder)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written to ({error.strerror}): see that there is space and permission"
        ) from error
    return problems


def fit_settings(scene: bpy.types.Scene) -> Settings:
    """What the scene's properties ask the backend for."""
    fit, backend = scene.diffbmp.fit, scene.diffbmp.backend
    red, green, blue = fit.background
    return Settings(
        count=fit.count,
        size=fit.size,
        iterations=fit.steps,
        seed=fit.seed,
        space=fit.space,
        background=(red, green, blue),
        engine=backend.engine,
        threads=backend.threads,
    )


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


def _write_stamps(
    images: list[bpy.types.Image], settings: bpy.types.PropertyGroup, folder: Path
) -> tuple[list[TemplateSpec], list[str]]:
    specs: list[TemplateSpec] = []
    problems: list[str] = []
    for image in images:
        try:
            rgba = read_image(image)
            if not rgba[..., 3].any():
                raise UserError(f"The image {image.name} is fully transparent")
        except UserError as error:
            problems.append(error.message)
            continue
        name = Path(image.name).stem
        file = f"templates/{len(specs):03d}_{file_name(name)}.png"
        write_png(folder / file, rgba)
        height, width = rgba.shape[:2]
        specs.append(TemplateSpec(file, name, settings.mode, settings.blend, width, height))
    if not specs:
        raise UserError(f"No stamp can be used: {'; '.join(problems)}")
    return specs, problems
