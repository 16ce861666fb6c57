"""Settings of the target, as Scene.diffbmp.target."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, PointerProperty, StringProperty

from ...backend.job import UserError
from ..blender.studio import was_deleted
from ..settings.fields import with_settings
from ..stamps.sources import short_name

MOVING = ("MOVIE", "SEQUENCE")
"""Sources of images that have frames."""

_SOURCES = (
    ("IMAGE", "Image", "A picture: a file, or any image of this .blend"),
    ("SCENE", "Scene", "The render of a scene, through its camera or another"),
    ("OBJECT", "Object", "The shape of a text, or any other object with its materials"),
)
_ASPECTS = (
    ("TARGET", "As It Is", "All of the target"),
    ("FRAME", "Camera Frame", "The target is cropped to the shape of this scene's render"),
    ("CUSTOM", "Custom", "The target is cropped to a shape of your own"),
)
_IMPORTANCES = (
    ("IMAGE", "Image", "A picture that is white where likeness matters most"),
    ("VERTEX", "Vertex Colors", "Colors painted on an object: where they are white, likeness matters most"),
)


@with_settings("target")
class DIFFBMP_PG_target(bpy.types.PropertyGroup):
    source: EnumProperty(
        items=_SOURCES, default="IMAGE", name="Source", description="Choose where the target comes from"
    )
    image: PointerProperty(
        type=bpy.types.Image, name="Target", description="Choose the picture that the stamps should form"
    )
    scene: PointerProperty(type=bpy.types.Scene, name="Scene", description="Choose the scene that is rendered")
    camera: PointerProperty(
        type=bpy.types.Object,
        name="Camera",
        description="Choose the camera through which the scene is seen; none = its own",
        poll=lambda group, item: item.type == "CAMERA",
    )
    object: PointerProperty(
        type=bpy.types.Object, name="Object", description="Choose the text or other object whose shape is the target"
    )
    moving: BoolProperty(
        name="Animation",
        description="Use the target as a clip: the stamps are fitted to each of its frames, and move with it",
        default=False,
    )
    aspect: EnumProperty(
        items=_ASPECTS, default="TARGET", name="Crop", description="Choose which part of the target is used"
    )
    aspect_x: FloatProperty(
        name="Width", description="Set the crop's width, relative to its height", default=1.0, min=0.01, max=100.0
    )
    aspect_y: FloatProperty(
        name="Height", description="Set the crop's height, relative to its width", default=1.0, min=0.01, max=100.0
    )
    focus_x: FloatProperty(
        name="Focus X",
        description="Set where the crop lies: 0 = left, 1 = right",
        subtype="FACTOR",
        default=0.5,
        min=0.0,
        max=1.0,
    )
    focus_y: FloatProperty(
        name="Focus Y",
        description="Set where the crop lies: 0 = top, 1 = bottom",
        subtype="FACTOR",
        default=0.5,
        min=0.0,
        max=1.0,
    )
    importance_source: EnumProperty(
        items=_IMPORTANCES,
        default="IMAGE",
        name="Importance",
        description="Choose the map of where likeness matters most",
    )
    importance: PointerProperty(
        type=bpy.types.Image,
        name="Importance",
        description="Choose a picture that is white where likeness matters most, such as at eyes, and black elsewhere",
    )
    importance_object: PointerProperty(
        type=bpy.types.Object,
        name="Painted Object",
        description="Choose a mesh with painted vertex colors. It fills the picture, or if the target is a scene, "
        "appears where the scene's camera sees it",
        poll=lambda group, item: item.type == "MESH",
    )
    importance_layer: StringProperty(
        name="Color Attribute", description="Name the painted color attribute; empty = the active one"
    )


def camera_of(target: bpy.types.PropertyGroup) -> bpy.types.Object | None:
    """Returns the camera through which a target's scene is seen."""
    return target.camera or target.scene.camera


def lacks_target(scene: bpy.types.Scene) -> str:
    """Says what to do to get a target, as a sentence without its period; "" if there is one."""
    target = scene.diffbmp.target
    if target.source == "SCENE":
        if target.scene is None:
            return "Choose a scene to render"
        if target.camera is not None and was_deleted(target.camera):
            return f"The camera {target.camera.name} was deleted: choose another"
        if camera_of(target) is None:
            return f"Give the scene {target.scene.name} a camera, or choose one"
        return ""
    if target.source == "OBJECT":
        if target.object is None or was_deleted(target.object):
            return "Choose an object whose shape is the target"
        return ""
    return "" if target.image else "Choose a target image"


def check_target(scene: bpy.types.Scene) -> None:
    """Raises UserError where a scene lacks a target."""
    if missing := lacks_target(scene):
        raise UserError(f"There is no target: {missing[0].lower()}{missing[1:]}")


def can_move(scene: bpy.types.Scene) -> bool:
    """Whether a scene's target has frames."""
    target = scene.diffbmp.target
    return target.source != "IMAGE" or (target.image is not None and target.image.source in MOVING)


def moves(scene: bpy.types.Scene) -> bool:
    """Whether the stamps should move with the scene's target."""
    return bool(scene.diffbmp.target.moving) and can_move(scene)


def target_name(scene: bpy.types.Scene) -> str:
    """Returns the target's name; "" if there is none."""
    target = scene.diffbmp.target
    chosen = {"SCENE": target.scene, "OBJECT": target.object}.get(target.source, target.image)
    return short_name(chosen.name) if chosen else ""


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_target,))
