"""What differs between Blender 4.5, 5.0 and 5.2."""

from __future__ import annotations

from typing import Literal

import bpy


def empty_node_tree(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """The node tree of a material or world, without nodes."""
    if bpy.app.version < (5, 0):  # since then there always is one, and asking for it is deprecated
        owner.use_nodes = True
    owner.node_tree.nodes.clear()
    return owner.node_tree


def disable_texture_cache(render: bpy.types.RenderSettings) -> None:
    """Has Cycles sample images as they are: the cache of 5.2 would make mip levels of its own."""
    if hasattr(render, "use_texture_cache"):
        render.use_texture_cache = False


def set_still_image(settings: bpy.types.ImageFormatSettings, color_mode: Literal["RGB", "RGBA"] = "RGB") -> None:
    """Output as 8-bit PNG; RGBA is straight."""
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode = color_mode
    settings.color_depth = "8"
