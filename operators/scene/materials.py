"""One material per stamp and mip level: emission, seen through the stamp's alpha.

Color and opacity come from the color of each object or instance, so that all planes of a level share a material.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.job import LEVEL_PADDING, MAX_SIDE, TemplateSpec, UserError
from ..blender.images import picture_size
from ..blender.studio import show_color
from ..blender.versions import empty_node_tree

COLOR = "color"
"""Name of the instances' attribute for color and opacity: the same as that of the objects' property."""

_MOST_SIDE = MAX_SIDE + 2 * LEVEL_PADDING

LEVEL_SPACES = {"linear": "sRGB", "display": "Non-Color"}
"""Color space of the levels' images by the layout's space, so that shaders read texels as the engine does."""


def load_packed(path: Path, name: str, color_space: str) -> bpy.types.Image:
    """Loads a picture of a layout as a packed image, with alpha as a channel like the others.

    Raises UserError where the file is missing, no PNG, or too large.
    """
    try:
        side = max(picture_size(path))  # Blender reads all of it first
        image = bpy.data.images.load(str(path)) if 0 < side <= _MOST_SIDE else None
    except (OSError, RuntimeError) as error:
        raise UserError(f"The layout's picture {path} is missing: optimize again") from error
    if image is None:
        what = f"has a side of {side:,} px, more than {_MOST_SIDE:,}" if side else "cannot be read"
        raise UserError(f"The layout's picture {path} {what}: optimize again")
    # Set before the pixels are read: alpha must neither be multiplied in nor averaged with the colors.
    image.alpha_mode = "CHANNEL_PACKED"
    image.colorspace_settings.name = color_space
    if 0 in image.size:
        raise UserError(f"The layout's picture {path} cannot be read: optimize again")
    image.pack()
    # A unique path: unpacked images must not overwrite one another.
    image.name = name
    image.filepath_raw = image.packed_files[0].filepath = f"//textures/{bpy.path.clean_name(image.name)}.png"
    return image


def new_packed(name: str, rgba: NDArray[np.uint8], color_space: str) -> bpy.types.Image:
    """Makes a packed image of a picture [h, w, 4], like those of load_packed."""
    height, width = rgba.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=True)
    image.alpha_mode = "CHANNEL_PACKED"
    image.colorspace_settings.name = color_space
    image.pixels.foreach_set((rgba[::-1].astype(np.float32) / 255.0).ravel())
    image.pack()
    image.filepath_raw = image.packed_files[0].filepath = f"//textures/{bpy.path.clean_name(image.name)}.png"
    return image


def make_material(name: str, image: bpy.types.Image, stamp: TemplateSpec) -> bpy.types.Material:
    """Makes a material that shows the image in its object's color (see backend.job for the modes) and opacity."""
    material = bpy.data.materials.new(name)
    material.surface_render_method = "BLENDED"  # EEVEE: whole planes in order, without noise
    material.cycles.emission_sampling = "NONE"  # the planes give no light
    tree = empty_node_tree(material)
    nodes, link = tree.nodes, tree.links.new

    texture = _add(nodes, "ShaderNodeTexImage", -500, 100)
    texture.image = image
    texture.interpolation = "Linear"
    texture.extension = "EXTEND"
    info = _add(nodes, "ShaderNodeAttribute", -500, -250)
    # An instance's attribute, or the property of that name of an object, which has no such attribute.
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


def material_of(mesh: bpy.types.Mesh) -> bpy.types.Material:
    """Returns the material of a level's mesh. Raises UserError where it was removed."""
    material = mesh.materials[0] if mesh.materials else None
    if material is None or material.node_tree is None:
        raise UserError(f"The mesh {mesh.name} has lost its material: undo that, or build the layout again")
    return material


def texture_of(mesh: bpy.types.Mesh) -> bpy.types.Node:
    """Returns the node that shows the picture of a level's mesh. Raises UserError where it was removed."""
    material = material_of(mesh)
    node = next((node for node in material.node_tree.nodes if node.type == "TEX_IMAGE"), None)
    if node is None:
        raise UserError(f"The material {material.name} has lost its image: undo that, or build the layout again")
    return node


def make_world(name: str, color: tuple[float, float, float]) -> bpy.types.World:
    """Makes a world of one color, in the values that are composited."""
    world = bpy.data.worlds.new(name)
    show_color(world, color)
    world.color = color
    return world


def _color(
    tree: bpy.types.NodeTree, stamp: TemplateSpec, texture: bpy.types.Node, info: bpy.types.Node
) -> bpy.types.NodeSocket:
    """Mixes the object's color c and the texture: (1 - b) c + b texture, or (1 - b) c + b c texture."""
    if stamp.mode == "tint" or stamp.blend == 0.0:
        return info.outputs["Color"]
    mix = _add(tree.nodes, "ShaderNodeMix", -150, 50)
    mix.data_type = "RGBA"
    mix.blend_type = "MULTIPLY" if stamp.mode == "multiply" else "MIX"
    mix.clamp_factor = True
    mix.clamp_result = False
    # Several sockets share each name, one per data type: these are the color's.
    factor, first, second = mix.inputs[0], mix.inputs[6], mix.inputs[7]
    factor.default_value = stamp.blend
    tree.links.new(info.outputs["Color"], first)
    tree.links.new(texture.outputs["Color"], second)
    return mix.outputs[2]


def _add(nodes: bpy.types.Nodes, kind: str, x: float, y: float) -> bpy.types.Node:
    node = nodes.new(kind)
    node.location = (x, y)
    return node
