"""Differences between Blender 4.5, 5.0 and 5.2."""

from __future__ import annotations

import bpy


def empty_node_tree(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """Removes all nodes of a material or world, and returns its node tree."""
    if bpy.app.version < (5, 0):  # since then there always is one, and asking for it is deprecated
        owner.use_nodes = True
    owner.node_tree.nodes.clear()
    return owner.node_tree  # type: ignore[return-value]  # it is there


def disable_texture_cache(render: bpy.types.RenderSettings) -> None:
    """Makes Cycles sample images as they are: the cache of 5.2 makes mip levels of its own."""
    if hasattr(render, "use_texture_cache"):
        render.use_texture_cache = False


def set_still_image(settings: bpy.types.ImageFormatSettings, alpha: bool = False) -> None:
    """Sets the output to 8-bit PNG: RGB, or straight RGBA."""
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode = "RGBA" if alpha else "RGB"
    settings.color_depth = "8"


def channelbag_of(action: bpy.types.Action, owner: bpy.types.Object | bpy.types.NodeTree) -> bpy.types.ActionChannelbag:
    """Gives an object or node tree a slot of its own in an action, and returns its channelbag."""
    slot = action.slots.new(id_type=owner.id_type, name=owner.name)
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    owner.animation_data_create()
    owner.animation_data.action = action
    owner.animation_data.action_slot = slot
    return strip.channelbag(slot, ensure=True)


def set_movie(render: bpy.types.RenderSettings, container: str, codec: str, alpha: bool = False) -> None:
    """Sets the output to a movie without sound, in the codec's best quality of any visible gain."""
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "VIDEO"
    else:
        render.image_settings.file_format = "FFMPEG"
    coding = render.ffmpeg
    coding.format, coding.codec, coding.audio_codec = container, codec, "NONE"
    if codec == "H264":
        coding.constant_rate_factor, coding.ffmpeg_preset = "PERC_LOSSLESS", "GOOD"
    elif codec == "PRORES":
        coding.ffmpeg_prores_profile = "4444"  # the only profile with alpha
    render.image_settings.color_mode = "RGBA" if alpha else "RGB"
    render.image_settings.color_depth = "8"


def picture_socket(scene: bpy.types.Scene) -> bpy.types.NodeSocket:
    """Makes an empty compositor, and returns the socket for the picture that renders of the scene then show.

    Its id_data is the node tree; remove_scene removes it again.
    """
    if bpy.app.version < (5, 0):
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        return tree.nodes.new("CompositorNodeComposite").inputs["Image"]
    tree = bpy.data.node_groups.new(scene.name, "CompositorNodeTree")
    scene.compositing_node_group = tree
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    return tree.nodes.new("NodeGroupOutput").inputs["Image"]


def compositor_of(scene: bpy.types.Scene) -> bpy.types.NodeTree | None:
    """Returns a scene's compositing nodes, None where it has none."""
    if bpy.app.version < (5, 0):
        return scene.node_tree
    return scene.compositing_node_group


def remove_scene(scene: bpy.types.Scene) -> None:
    """Removes a scene and its compositor, which is a datablock of its own since Blender 5.0."""
    tree = getattr(scene, "compositing_node_group", None)
    bpy.data.scenes.remove(scene)
    if tree is not None:
        bpy.data.node_groups.remove(tree)
