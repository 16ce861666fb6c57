"""One material per stamp and mip level: emission, seen through the stamp's alpha.

Color and opacity come from each object's or instance's own color, so that all planes of a stamp share the material.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.job import TemplateSpec, UserError
from ..blender.versions import empty_node_tree

COLOR = "color"
"""Name of the attribute of instances in which their color and opacity stand: as that of the property of objects."""


def load_level(path: Path, name: str, space: str) -> bpy.types.Image:
    """A stamp's level as a packed image whose texels reach the shader as the engine sees them.

    Raises UserError where the file is missing or no picture.
    """
    return load_packed(path, name, "sRGB" if space == "linear" else "Non-Color")


def load_packed(path: Path, name: str, color_space: str) -> bpy.types.Image:
    """A picture of a layout as an image in the .blend, its alpha a channel like the others.

    Raises UserError where the file is missing or no picture.
    """
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise UserError(f"The layout's picture {path} is missing: optimize again") from error
    # Set before the pixels are read: alpha must neither be multiplied in nor averaged with the colors.
    image.alpha_mode = "CHANNEL_PACKED"
    image.colorspace_settings.name = color_space
    if 0 in image.size:
        raise UserError(f"The layout's picture {path} cannot be read: optimize again")
    image.pack()
    # A path of its own, which no other image has: where they are unpacked, none must overwrite another.
    image.name = name
    image.filepath_raw = image.packed_files[0].filepath = f"//textures/{bpy.path.clean_name(image.name)}.png"
    return image


def new_packed(name: str, rgba: NDArray[np.uint8], color_space: str) -> bpy.types.Image:
    """A picture [h, w, 4] as an image in the .blend, as load_packed gives those of files."""
    height, width = rgba.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=True)
    image.alpha_mode = "CHANNEL_PACKED"
    image.colorspace_settings.name = color_space
    image.pixels.foreach_set((rgba[::-1].astype(np.float32) / 255.0).ravel())
    image.pack()
    image.filepath_raw = image.packed_files[0].filepath = f"//textures/{bpy.path.clean_name(image.name)}.png"
    return image


def make_material(name: str, image: bpy.types.Image, stamp: TemplateSpec) -> bpy.types.Material:
    """A material that shows the image in the color (see backend.job for the modes) and opacity of what has it."""
    material = bpy.data.materials.new(name)
    material.surface_render_method = "BLENDED"  # EEVEE: whole planes in order, without noise
    material.cycles.emission_sampling = "NONE"  # the planes light nothing
    tree = empty_node_tree(material)
    nodes, link = tree.nodes, tree.links.new

    texture = _add(nodes, "ShaderNodeTexImage", -500, 100)
    texture.image = image
    texture.interpolation = "Linear"
    texture.extension = "EXTEND"
    info = _add(nodes, "ShaderNodeAttribute", -500, -250)
    # Of an instance its own attribute, and of an object, which has none, its property of that name.
    info.attribute_type, info.attribute_name = "INSTANCER", COLOR
    alpha = _add(nodes, "ShaderNodeMath", -150, -200)
    alpha.operation = "MULTIPLY"
    link(texture.outputs["Alpha"], alpha.inputs[0])
    link(info.outputs["Alpha"], alpha.inputs[1])

    emission = _add(nodes, "ShaderNodeEmission", 50, 0)
    link(_color(tree, stamp, texture, info), emission.inputs["Color"])
    clear = _add(nodes, "ShaderNodeBsdfTransparent", 50, 150)
    over = _add(nodes, "ShaderNodeMixShader", 250, 100)
    link(alpha.outputs[0], over.inputs[0])
    link(clear.outputs[0], over.inputs[1])
    link(emission.outputs[0], over.inputs[2])
    output = _add(nodes, "ShaderNodeOutputMaterial", 450, 100)
    link(over.outputs[0], output.inputs["Surface"])
    return material


def make_world(name: str, color: tuple[float, float, float]) -> bpy.types.World:
    """A world of one color, given in the numbers that are composited."""
    world = bpy.data.worlds.new(name)
    tree = empty_node_tree(world)
    background = _add(tree.nodes, "ShaderNodeBackground", 0, 0)
    background.inputs["Color"].default_value = (*color, 1.0)
    output = _add(tree.nodes, "ShaderNodeOutputWorld", 200, 0)
    tree.links.new(background.outputs[0], output.inputs["Surface"])
    world.color = color
    return world


def _color(
    tree: bpy.types.NodeTree, stamp: TemplateSpec, texture: bpy.types.Node, info: bpy.types.Node
) -> bpy.types.NodeSocket:
    """p + q * texture, as Blender's Mix node says it: (1 - b) c + b texture, or (1 - b) c + b c texture."""
    if stamp.mode == "tint" or stamp.blend == 0.0:
        return info.outputs["Color"]
    mix = _add(tree.nodes, "ShaderNodeMix", -150, 50)
    mix.data_type = "RGBA"
    mix.blend_type = "MULTIPLY" if stamp.mode == "multiply" else "MIX"
    mix.clamp_factor = True
    mix.clamp_result = False
    # The node has sockets of one name for each type of data: these are the color's.
    factor, first, second = mix.inputs[0], mix.inputs[6], mix.inputs[7]
    factor.default_value = stamp.blend
    tree.links.new(info.outputs["Color"], first)
    tree.links.new(texture.outputs["Color"], second)
    return mix.outputs[2]


def _add(nodes: bpy.types.Nodes, kind: str, x: float, y: float) -> bpy.types.Node:
    node = nodes.new(kind)
    node.location = (x, y)
    return node
