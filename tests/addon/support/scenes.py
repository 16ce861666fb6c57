"""Scenes to optimize: a target image, and a collection of objects with image textures."""

from __future__ import annotations

import bpy
import numpy as np

from tests.addon.support.pictures import disc, make_image, picture

CUBE = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]


def textured_material(name: str, image: bpy.types.Image | None, *, in_group: bool = False) -> bpy.types.Material:
    """Makes a material whose node tree, or a group in it, has the image."""
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    tree = material.node_tree
    if in_group:
        group = tree.nodes.new("ShaderNodeGroup")
        group.node_tree = tree = bpy.data.node_groups.new(f"{name} group", "ShaderNodeTree")
    tree.nodes.new("ShaderNodeTexImage").image = image
    return material


def add_stamp(collection: bpy.types.Collection, image: bpy.types.Image | None, *, in_group: bool = False) -> None:
    """Makes an object with a material that shows the image."""
    name = image.name if image else "nothing"
    mesh = bpy.data.meshes.new(name)
    mesh.materials.append(textured_material(name, image, in_group=in_group))
    collection.objects.link(bpy.data.objects.new(name, mesh))


def make_plane(image: bpy.types.Image, uv: list[tuple[float, float]], name: str = "plane") -> bpy.types.Object:
    """Makes a rectangle that shows the image. uv: of its corners from the lower left, counter-clockwise."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], [], [(0, 1, 2, 3)])
    mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", np.array(uv, np.float32).ravel())
    mesh.materials.append(textured_material(name, image))
    return bpy.data.objects.new(name, mesh)


def make_cube(name: str = "cube") -> bpy.types.Object:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(CUBE, [], [(0, 1, 3, 2), (4, 5, 7, 6)])
    return bpy.data.objects.new(name, mesh)


def make_text(body: str) -> bpy.types.Object:
    curve = bpy.data.curves.new("text", "FONT")
    curve.body = body
    return bpy.data.objects.new("text", curve)


def make_mask(name: str) -> bpy.types.Mask:
    """Makes a Mask datablock with one empty layer."""
    mask = bpy.data.masks.new(name)
    mask.layers.new(name="layer")
    return mask


def add_square(layer: bpy.types.MaskLayer, low: float, high: float, *, turned: bool = False) -> bpy.types.MaskSpline:
    """Adds a square from (low, low) to (high, high) in the mask's coordinates, y up. turned: the diamond inside it."""
    middle = (low + high) / 2
    corners = [(low, low), (high, low), (high, high), (low, high)]
    if turned:
        corners = [(middle, low), (high, middle), (middle, high), (low, middle)]
    spline = layer.splines.new()
    spline.points.add(len(corners) - 1)
    for point, corner in zip(spline.points, corners, strict=True):
        point.handle_left_type = point.handle_right_type = "FREE"
        point.co = point.handle_left = point.handle_right = corner
    spline.use_cyclic = True
    return spline


def make_scene() -> bpy.types.Scene:
    """Makes the current scene ready for an optimization of a second."""
    scene = bpy.context.scene
    stamps = bpy.data.collections.new("Stamps")
    scene.collection.children.link(stamps)
    add_stamp(stamps, make_image("disc.png", disc()))
    settings = scene.diffbmp
    settings.target.image = make_image("sunset.png", picture())
    settings.stamps.collection = stamps
    settings.fit.count, settings.fit.size, settings.fit.steps = 20, 48, 10
    return scene
