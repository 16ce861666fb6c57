# mypy: disable-error-code="valid-type"
"""The target, as Scene.diffbmp.target: an image, the render of a scene, or the shape of an object."""

from collections.abc import Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, PointerProperty, StringProperty

from ..backend.job import UserError
from .images import ByteArray, read_image, reader_of
from .scene_frames import render_frames
from .silhouettes import render_vertex_colors
from .stamp_sources import short_name
from .steps import all_at_once, waited
from .studio import render_objects, was_deleted

MOVING = ("MOVIE", "SEQUENCE")
"""Sources of images that have frames."""

SHAPE_SAMPLES = 64
"""To a pixel of an object's shape."""

_SOURCES = (
    ("IMAGE", "Image", "A picture: a file, or any image of this .blend"),
    ("SCENE", "Scene", "What a scene renders to, seen through its camera or another"),
    ("OBJECT", "Object", "The shape of a text, or any other object as it looks"),
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


class DIFFBMP_PG_target(bpy.types.PropertyGroup):
    source: EnumProperty(items=_SOURCES, default="IMAGE", name="Source", description="Where the target comes from")
    image: PointerProperty(
        type=bpy.types.Image,
        name="Target",
        description="The picture that the stamps are to become",
    )
    scene: PointerProperty(type=bpy.types.Scene, name="Scene", description="The scene that is rendered")
    camera: PointerProperty(
        type=bpy.types.Object,
        name="Camera",
        description="The camera through which the scene is seen; none = its own",
        poll=lambda group, item: item.type == "CAMERA",
    )
    object: PointerProperty(
        type=bpy.types.Object, name="Object", description="The text or other object whose shape is the target"
    )
    moving: BoolProperty(
        name="Animation",
        description="The target is a clip: the stamps are fitted in each of its frames, and move with it",
        default=False,
    )
    aspect: EnumProperty(items=_ASPECTS, default="TARGET", name="Crop", description="What is used of the target")
    aspect_x: FloatProperty(
        name="Width", description="The crop's width, relative to its height", default=1.0, min=0.01, max=100.0
    )
    aspect_y: FloatProperty(
        name="Height", description="The crop's height, relative to its width", default=1.0, min=0.01, max=100.0
    )
    focus_x: FloatProperty(
        name="Focus X",
        description="Where the crop lies: 0 = left, 1 = right",
        subtype="FACTOR",
        default=0.5,
        min=0.0,
        max=1.0,
    )
    focus_y: FloatProperty(
        name="Focus Y",
        description="Where the crop lies: 0 = top, 1 = bottom",
        subtype="FACTOR",
        default=0.5,
        min=0.0,
        max=1.0,
    )
    transparent: BoolProperty(
        name="Transparent",
        description="Nothing lies behind the stamps: they stand free where the target is transparent, and the result "
        "has no background",
        default=False,
    )
    importance_source: EnumProperty(
        items=_IMPORTANCES, default="IMAGE", name="Importance", description="What says where likeness matters most"
    )
    importance: PointerProperty(
        type=bpy.types.Image,
        name="Importance",
        description="A picture that is white where likeness matters most, such as eyes and faces, and black elsewhere",
    )
    importance_object: PointerProperty(
        type=bpy.types.Object,
        name="Painted Object",
        description="A mesh with painted vertex colors. It fills the picture; or where the target is a scene, "
        "it is where the scene's camera sees it",
        poll=lambda group, item: item.type == "MESH",
    )
    importance_layer: StringProperty(
        name="Color Attribute", description="Name of the painted color attribute; empty = the active one"
    )


def target_pixels(scene: bpy.types.Scene) -> ByteArray:
    """The target that a scene asks for, cropped: [h, w, 4], straight alpha, display-encoded.

    Raises UserError for one that is missing, cannot be read or rendered, or is fully transparent.
    """
    with ThreadPoolExecutor(1) as threads:
        pixels: ByteArray = all_at_once(target_steps(scene, threads))
    return pixels


def target_steps(scene: bpy.types.Scene, threads: Executor) -> Generator[str, None, ByteArray]:
    """As target_pixels, in steps, between which the target's settings must stay as they are.

    threads: what does not need Blender's own thread is done there.
    """
    target = scene.diffbmp.target
    missing = lacks_target(scene)
    if missing:
        raise UserError(f"There is no target: {missing[0].lower()}{missing[1:]}")
    if target.source == "SCENE":
        rgba = _render(scene)
    elif target.source == "OBJECT":
        rgba = render_objects([target.object], scene.diffbmp.fit.size, source=scene, samples=SHAPE_SAMPLES)
    else:
        if target.image.source in MOVING:
            raise UserError(
                f"The image {target.image.name} is a {target.image.source.lower()}, but a still picture is needed: "
                "turn on the target's Animation, or save a picture and open it"
            )
        rgba = yield from waited(threads.submit(reader_of(target.image)), "Reading the target")
    rgba = cropped(rgba, scene)
    if not rgba[..., 3].any():
        raise UserError(f"The target {target_name(scene)} is fully transparent: choose another {target.source.lower()}")
    return rgba


def _render(scene: bpy.types.Scene) -> ByteArray:
    """The scene that is the target, in the frame that it shows: [h, w, 4]."""
    target = scene.diffbmp.target
    with closing(render_frames(target.scene, target.camera, scene.diffbmp.fit.size, target.transparent)) as pictures:
        return next(pictures)


def importance_pixels(scene: bpy.types.Scene, width: int, height: int) -> ByteArray | None:
    """What says where likeness matters most, cropped as the target is; None = it matters alike everywhere.

    width, height: of the canvas, px. Raises UserError for what cannot be read or rendered.
    """
    target = scene.diffbmp.target
    if target.importance_source == "VERTEX":
        painted = target.importance_object
        if painted is None:
            return None
        if was_deleted(painted):
            raise UserError(f"The painted object {painted.name} was deleted: choose another")
        camera = _camera(target) if target.source == "SCENE" else None
        size = uncropped_size(scene, width, height)
        colors = render_vertex_colors(painted, *size, attribute=target.importance_layer, camera=camera)
        return cropped(colors, scene, size != (width, height))
    return cropped(read_image(target.importance), scene) if target.importance else None


def lacks_target(scene: bpy.types.Scene) -> str:
    """What has to be done before there is a target, as a sentence without its full stop; "" if there is one."""
    target = scene.diffbmp.target
    if target.source == "SCENE":
        if target.scene is None:
            return "Choose a scene to render"
        if target.camera is not None and was_deleted(target.camera):
            return f"The camera {target.camera.name} was deleted: choose another"
        if _camera(target) is None:
            return f"Give the scene {target.scene.name} a camera, or choose one"
        return ""
    if target.source == "OBJECT":
        if target.object is None or was_deleted(target.object):
            return "Choose an object whose shape is the target"
        return ""
    return "" if target.image else "Choose a target image"


def can_move(scene: bpy.types.Scene) -> bool:
    """Whether the target that a scene asks for has frames."""
    target = scene.diffbmp.target
    return target.source != "IMAGE" or (target.image is not None and target.image.source in MOVING)


def moves(scene: bpy.types.Scene) -> bool:
    """Whether the stamps are to move with the scene's target."""
    return bool(scene.diffbmp.target.moving) and can_move(scene)


def target_name(scene: bpy.types.Scene) -> str:
    """What the target is called; "" if there is none."""
    target = scene.diffbmp.target
    chosen = {"SCENE": target.scene, "OBJECT": target.object}.get(target.source, target.image)
    return short_name(chosen.name) if chosen else ""


def _camera(target: bpy.types.PropertyGroup) -> bpy.types.Object | None:
    return target.camera or target.scene.camera


def uncropped_size(scene: bpy.types.Scene, width: int, height: int) -> tuple[int, int]:
    """The size of the whole picture of which a canvas of this size is the part that cropped() leaves, px.

    That of a target which is another scene's render; the canvas itself for any other target.
    """
    target = scene.diffbmp.target
    if target.source != "SCENE" or target.aspect == "TARGET" or target.scene is None:
        return width, height
    render = target.scene.render
    whole = render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)
    if whole > width / height:
        return max(width, round(height * whole)), height
    return width, max(height, round(width / whole))


def cropped(rgba: ByteArray, scene: bpy.types.Scene, needed: bool = True) -> ByteArray:
    """The largest part of a picture [h, w, ...] of the shape asked for by a scene's target, where the focus is."""
    target, render = scene.diffbmp.target, scene.render
    if target.aspect == "TARGET" or not needed:
        return rgba
    if target.aspect == "FRAME":
        aspect = render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)
    else:
        aspect = target.aspect_x / target.aspect_y
    height, width = rgba.shape[:2]
    cut_width, cut_height = min(width, max(1, round(height * aspect))), min(height, max(1, round(width / aspect)))
    left, top = round((width - cut_width) * target.focus_x), round((height - cut_height) * target.focus_y)
    return rgba[top : top + cut_height, left : left + cut_width]


def register() -> None:
    bpy.utils.register_class(DIFFBMP_PG_target)


def unregister() -> None:
    bpy.utils.unregister_class(DIFFBMP_PG_target)
