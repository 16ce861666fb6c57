"""Renders objects to RGBA, in a temporary scene that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector
from numpy.typing import NDArray

from ...backend.job import UserError
from .frames import render_still, set_plain_render, shown_frame_kept
from .images import ByteArray
from .versions import empty_node_tree, set_still_image

VIEWS = ("AUTO", "FRONT", "BACK", "LEFT", "RIGHT", "TOP", "BOTTOM")

FLAT = 1e-2
"""Objects are flat up to this ratio of their thinnest side to their longest, so that low reliefs count, too."""

MARGIN = 1
"""Transparent pixels around the objects, so that their edges are complete."""

_BOXED = {"GREASEPENCIL", "CURVES", "POINTCLOUD", "VOLUME"}
"""Types of objects that have no mesh when rendered. Curves, texts and metaballs also appear as one."""

_TURNS = {
    "AUTO": (90, 0, 0),
    "FRONT": (90, 0, 0),
    "BACK": (90, 0, 180),
    "LEFT": (90, 0, -90),
    "RIGHT": (90, 0, 90),
    "TOP": (0, 0, 0),
    "BOTTOM": (180, 0, 0),
}
"""Rotations of a camera that looks along its own -z with y up, degrees."""


@dataclass(frozen=True)
class Frame:
    """A box for an orthographic camera to frame, in the camera's axes."""

    rotation: Matrix  # 3 x 3
    center: Vector
    width: float
    height: float
    depth: float


UNSEEN = ("CAMERA", "LIGHT")
"""Types of objects that show nothing themselves."""


def was_deleted(item: bpy.types.Object) -> bool:
    """Whether an object is in the file only because a setting refers to it."""
    return not item.users_collection


def render_objects(
    objects: Sequence[bpy.types.Object],
    size: int,
    *,
    view: str = "AUTO",
    lighting: str = "EVEN",
    source: bpy.types.Scene | None = None,
    samples: int = 16,
) -> ByteArray:
    """Renders objects together, tightly framed by an orthographic camera.

    size: of the longer side, px. view: "AUTO" sees flat objects along their own normal, x to the right, and all others
    from the front. lighting: "EVEN" = white light from everywhere, "SCENE" = the lamps and the world of `source`.
    Returns [h, w, 4], straight alpha, display-encoded, with MARGIN transparent pixels on each side.

    Raises UserError where the objects show nothing, or cannot be rendered.
    """
    with studio(objects) as scene:
        if not _has_material(scene):
            scene.view_layers[0].material_override = plain_material()
        _light(scene, lighting, source)
        return _rendered(scene, frame_of(scene, objects, view), size, samples)


def render_motion(
    objects: Sequence[bpy.types.Object], frames: Sequence[int], size: int, samples: int = 16
) -> Generator[ByteArray, None, None]:
    """Renders objects in several frames, as render_objects does in the first, with a camera at rest.

    It frames them in all of the frames. size: of the longer side, px. Yields [h, w, 4], all of one size. Raises
    UserError where the objects show nothing in any frame, or cannot be rendered.
    """
    shown = bpy.context.scene  # its frame is the one that is rendered
    with shown_frame_kept(shown, always=True), studio(objects) as scene:
        seen, nothing = _seen_in(scene, objects, frames)
        if seen is None:
            raise nothing
        if not _has_material(scene):
            scene.view_layers[0].material_override = plain_material()
        _light(scene, "EVEN", None)
        for frame in frames:
            shown.frame_set(frame)
            yield _rendered(scene, seen, size, samples)


def _seen_in(
    scene: bpy.types.Scene, objects: Sequence[bpy.types.Object], frames: Sequence[int]
) -> tuple[Frame | None, UserError]:
    """Returns what holds the objects in all frames where they show something; None where they never do, and why."""
    seen, nothing = None, UserError("There are no frames to render: set the animation's Start and End")
    for frame in frames:
        scene.frame_set(frame)
        try:
            own = frame_of(scene, objects, "AUTO", seen.rotation if seen else None)
        except UserError as error:
            nothing = error
            continue
        seen = own if seen is None else _joined(seen, own)
    return seen, nothing


def _joined(first: Frame, second: Frame) -> Frame:
    """Returns the smallest frame that holds two of the same rotation."""
    turned, corners = first.rotation.transposed(), []
    for frame in (first, second):
        middle, half = turned @ frame.center, Vector((frame.width, frame.height, frame.depth)) / 2
        corners += [middle - half, middle + half]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    width, height, depth = (float(value) for value in high - low)
    return Frame(first.rotation, first.rotation @ Vector((low + high) / 2), width, height, depth)


def _has_material(scene: bpy.types.Scene) -> bool:
    """Whether anything in a studio's scene has a material, including instances."""
    scene.view_layers[0].update()
    instances = scene.view_layers[0].depsgraph.object_instances
    return any(slot.material for instance in instances for slot in instance.object.material_slots)


def render_collection(
    collection: bpy.types.Collection,
    size: int,
    *,
    view: str = "AUTO",
    lighting: str = "EVEN",
    source: bpy.types.Scene | None = None,
    samples: int = 16,
) -> ByteArray:
    """Renders all objects of a collection together. See render_objects."""
    objects = [item for item in collection.all_objects if item.type not in UNSEEN]
    if not objects:
        raise UserError(f"The collection {collection.name} is empty: nothing of it can be rendered")
    return render_objects(objects, size, view=view, lighting=lighting, source=source, samples=samples)


def render_text(
    text: str,
    size: int,
    *,
    style: bpy.types.Object | None = None,
    font: bpy.types.VectorFont | None = None,
    samples: int = 16,
) -> ByteArray:
    """Renders a letter or a word, upright: [h, w, 4].

    style: a text object whose font, extrusion, materials and so on are used; None = plain, in the font or else in
    Blender's own. Raises UserError where the font has no glyph for it.
    """
    curve = style.data.copy() if style else bpy.data.curves.new("Text", "FONT")
    try:
        curve.body = text
        if font and not style:
            curve.font = font
        item = bpy.data.objects.new(text, curve)
        try:
            for slot, own in zip(item.material_slots, style.material_slots if style else (), strict=False):
                slot.link, slot.material = own.link, own.material
            return render_objects([item], size, view="AUTO", samples=samples)
        finally:
            bpy.data.objects.remove(item)
    finally:
        bpy.data.curves.remove(curve)


@contextmanager
def studio(objects: Sequence[bpy.types.Object]) -> Iterator[bpy.types.Scene]:
    """Yields a temporary scene with only these objects, in the current frame, set to render them free of noise."""
    scene = bpy.data.scenes.new("DiffBMP studio")
    scene.frame_current = bpy.context.scene.frame_current
    hidden = {
        item: (item.hide_render, item.hide_viewport) for item in objects if item.hide_render or item.hide_viewport
    }
    lit = [item for item in objects if item.type == "GREASEPENCIL" and item.use_grease_pencil_lights]
    data = bpy.data.cameras.new("DiffBMP studio")
    camera = bpy.data.objects.new("DiffBMP studio", data)
    world = bpy.data.worlds.new("DiffBMP studio")
    try:
        for item in hidden:
            item.hide_render = item.hide_viewport = False
        for item in lit:  # there are no lamps for it
            item.use_grease_pencil_lights = False
        for item in (*objects, camera):
            scene.collection.objects.link(item)
        scene.camera, scene.world = camera, world
        _set_render(scene)
        yield scene
    finally:
        for item, (in_render, in_viewport) in hidden.items():
            item.hide_render, item.hide_viewport = in_render, in_viewport
        for item in lit:
            item.use_grease_pencil_lights = True
        bpy.data.scenes.remove(scene)
        bpy.data.objects.remove(camera)
        bpy.data.cameras.remove(data)
        bpy.data.worlds.remove(world)
        bpy.data.batch_remove([m for m in bpy.data.materials if m.name.startswith(_PLAIN) and not m.users])


_PLAIN = "DiffBMP studio white"


def frame_of(
    scene: bpy.types.Scene, objects: Sequence[bpy.types.Object], view: str, rotation: Matrix | None = None
) -> Frame:
    """Returns the tight frame of all that a studio's scene shows. Raises UserError where that is nothing.

    rotation: of the camera, 3 x 3; None = as the view says.
    """
    scene.view_layers[0].update()
    depsgraph = scene.view_layers[0].depsgraph
    points = _points(depsgraph)
    if rotation is None:
        rotation = _rotation(points, objects, depsgraph) if view == "AUTO" and len(points) else _turned(view)
    local = points @ np.array(rotation)  # the camera's axes are the columns
    if not len(local) or not np.isfinite(local).all() or not np.ptp(local, axis=0)[:2].max() > 0:
        names = ", ".join(item.name for item in objects[:3])
        raise UserError(f"{names} shows nothing that could be rendered: choose another object")
    low, high = local.min(0), local.max(0)
    width, height, depth = (float(value) for value in high - low)
    return Frame(rotation, rotation @ Vector((low + high) / 2), width, height, depth)


def _points(depsgraph: bpy.types.Depsgraph) -> NDArray[np.float64]:
    """Returns the vertices of all that is rendered, or corners where there are none: [n, 3] in the world."""
    found = [np.empty((0, 3))]
    for instance in depsgraph.object_instances:
        item = instance.object
        if item.type == "MESH":
            points = np.empty((len(item.data.vertices), 3), np.float32)
            item.data.vertices.foreach_get("co", points.ravel())
        elif item.type in _BOXED:
            points = np.array([tuple(corner) for corner in item.bound_box])
        else:
            continue
        matrix = np.array(instance.matrix_world)
        found.append(points @ matrix[:3, :3].T + matrix[:3, 3])
    return np.concatenate(found)


def _rotation(
    points: NDArray[np.float64], objects: Sequence[bpy.types.Object], depsgraph: bpy.types.Depsgraph
) -> Matrix:
    """Returns the view along the normal of what is flat in the first object's axes, or else from the front."""
    axes = _axes(objects[0].evaluated_get(depsgraph).matrix_world)
    if all(item.type == "FONT" for item in objects):  # its plane is its own, however it is extruded
        return axes
    sides = np.ptp(points @ np.array(axes), axis=0)
    if sides[2] <= FLAT * sides.max():
        return axes
    if sides.min() <= FLAT * sides.max():
        return axes @ _turned("FRONT" if sides.argmin() == 1 else "RIGHT")
    return _turned("FRONT")


def _axes(matrix: Matrix) -> Matrix:
    """Returns an object's rotation from its z and y axes, even where it is mirrored or flattened."""
    x, y, z = (matrix.to_3x3().col[index] for index in range(3))
    normal = z if z.length > 0 else x.cross(y)
    if normal.length == 0 or y.length == 0:
        return Matrix.Identity(3)
    normal = normal.normalized()
    up = (y - normal * y.dot(normal)).normalized()
    return Matrix((up.cross(normal), up, normal)).transposed()


def _turned(view: str) -> Matrix:
    return Euler(np.radians(_TURNS[view]).tolist()).to_matrix()


def _rendered(scene: bpy.types.Scene, frame: Frame, size: int, samples: int) -> ByteArray:
    inner = max(1, size - 2 * MARGIN)
    unit = max(frame.width, frame.height) / inner
    width, height = (max(4, int(np.ceil(side / unit - 1e-3)) + 2 * MARGIN) for side in (frame.width, frame.height))
    camera = scene.camera
    camera.data.type = "ORTHO"
    camera.data.ortho_scale = max(width, height) * unit
    camera.data.clip_start, camera.data.clip_end = 0.5 * unit, frame.depth + 4 * unit + frame.depth * 0.01
    position = frame.center + frame.rotation.col[2] * (frame.depth / 2 + unit)
    camera.matrix_world = Matrix.Translation(position) @ frame.rotation.to_4x4()
    return render_scene(scene, width, height, samples)


def render_scene(scene: bpy.types.Scene, width: int, height: int, samples: int) -> ByteArray:
    """Renders a studio's scene: [height, width, 4]. Raises UserError where Blender cannot render it."""
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.cycles.samples = samples
    return render_still(scene, "a stamp")


def _set_render(scene: bpy.types.Scene) -> None:
    if not hasattr(scene, "cycles"):
        raise UserError("Cycles is disabled: enable the add-on Cycles Render Engine in the preferences")
    set_plain_render(scene, "Standard")
    scene.render.film_transparent = True
    scene.render.use_persistent_data = False
    set_still_image(scene.render.image_settings, alpha=True)
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.use_adaptive_sampling = cycles.use_denoising = False
    cycles.transparent_max_bounces = 64
    cycles.pixel_filter_type = "BOX"


def _light(scene: bpy.types.Scene, lighting: str, source: bpy.types.Scene | None) -> None:
    if lighting == "SCENE" and source is not None:
        for item in source.objects:
            if item.type == "LIGHT" and not item.hide_render:
                scene.collection.objects.link(item)
        if source.world is not None:
            scene.world = source.world
        return
    show_color(scene.world, (1.0, 1.0, 1.0))  # type: ignore[arg-type]


def plain_material() -> bpy.types.Material:
    """Makes a white, unlit material for a studio's scene, which is removed with it."""
    material = bpy.data.materials.new(_PLAIN)
    show_color(material, (1.0, 1.0, 1.0))
    return material


def show_color(owner: bpy.types.Material | bpy.types.World, color: tuple[float, float, float]) -> None:
    """Makes a material or a world emit one color."""
    tree = empty_node_tree(owner)
    shader, end = ("Emission", "Material") if isinstance(owner, bpy.types.Material) else ("Background", "World")
    source, output = tree.nodes.new(f"ShaderNode{shader}"), tree.nodes.new(f"ShaderNodeOutput{end}")
    source.inputs["Color"].default_value = (*color, 1.0)
    output.location.x = 200
    tree.links.new(source.outputs[0], output.inputs["Surface"])
