"""The planes of a scene, as the artist has left them, as a layout again."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.job import Layout, UserError
from ..blender.colors import encode
from ..scene.instances import dense_object, primitives_of
from ..scene.planes import LEVEL, LOCKED, ROW, UNIT, Level, camera_height, transforms
from ..scene.storage import SPREAD, stored_layout
from .ownership import planes_of

_FLAT = 1e-4
"""Of an axis of a plane, relative to its length: more of it out of the canvas, or askew, is no turn about z."""

_ONES = (1.0, 1.0, 1.0)

_MOVING = ("x", "y", "scale", "aspect", "rotation", "opacity", "color")
"""Arrays of a layout that have a row for each frame."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """What a scene shows: its layout, and for each of its primitives the plane, None where it is an instance."""

    layout: Layout
    planes: list[bpy.types.Object | None]

    @property
    def own_meshes(self) -> dict[int, bpy.types.Mesh]:
        """Meshes of primitives that do not show the one of their level, by number: so painted planes are."""
        found = ((row, plane.data) for row, plane in enumerate(self.planes) if plane is not None)
        usual = usual_meshes([plane for plane in self.planes if plane is not None])
        return {row: mesh for row, mesh in found if usual[level_of(mesh)] != mesh}


def level_of(mesh: bpy.types.Mesh) -> Level:
    """The level that the mesh of a plane shows."""
    template, u, v = mesh[LEVEL].to_list()
    return template, u, v


def usual_meshes(planes: list[bpy.types.Object]) -> dict[Level, bpy.types.Mesh]:
    """Of each level the mesh that most planes show."""
    usual: dict[Level, bpy.types.Mesh] = {}
    for mesh, _ in Counter(plane.data for plane in planes).most_common():
        usual.setdefault(level_of(mesh), mesh)
    return usual


def read_layout(scene: bpy.types.Scene) -> Layout:
    """The layout that a scene shows: see read_scene."""
    return read_scene(scene).layout


def read_scene(scene: bpy.types.Scene) -> Reading:
    """The layout that a scene shows: planes may have been moved, turned, scaled, retinted, deleted and duplicated.

    What is as it was built has its stored values to the last bit. Raises UserError for a scene that was not built or
    has no plane left, for a layout that moves, and for a plane that lies askew.
    """
    stored = stored_layout(scene)
    if stored is None:
        raise UserError("This scene has no layout: build one first")
    if len(stored.frames) > 1:
        raise UserError("Planes that move cannot be read back: that is for layouts of one frame")
    scene.view_layers[0].update()
    spread = float(scene.get(SPREAD, 0.0))
    built = transforms(stored, [0], spread)
    expected = np.concatenate([built.location, built.scale, built.rotation[..., None], built.color], 2)[0]
    planes, shown = planes_of(scene), dense_object(scene)
    if not planes and shown is None and stored.count:
        raise UserError(f"No plane of {scene.name} is left: undo that, or build the layout again")
    rows = np.array([min(max(int(plane.get(ROW, 0)), 0), stored.count - 1) for plane in planes], np.int64)
    values = np.array([_values(plane) for plane in planes]).reshape(-1, 10)
    known = {mesh: level_of(mesh) for mesh in {plane.data for plane in planes}}
    levels = np.array([known[plane.data] for plane in planes], np.int64).reshape(-1, 3)
    own = np.column_stack([stored.template, stored.level])[rows]
    # Blender keeps single precision.
    same = (np.float32(values) == np.float32(expected[rows])).all(1) & (levels == own).all(1)
    locked = np.array([bool(plane.get(LOCKED, False)) for plane in planes], bool)

    changed = _primitives(values, stored, spread)
    changed |= {"template": levels[:, 0], "level": levels[:, 1:], "locked": locked}
    front = np.lexsort((rows, -values[:, 2]))
    layout = _taken(stored, rows[front], {name: array[front] for name, array in changed.items()}, same[front])
    objects: list[bpy.types.Object | None] = [planes[index] for index in front]
    if shown is None:
        return Reading(layout, objects)
    there = primitives_of(shown)
    order = np.argsort(-np.concatenate([values[front, 2], expected[there, 2]]), kind="stable")
    objects += [None] * len(there)
    return Reading(_with_instances(layout, stored, there, order), [objects[index] for index in order])


def kept_of_clip(scene: bpy.types.Scene, stored: Layout) -> Layout:
    """The stored layout of a clip without the primitives that were deleted, and with the locks of the scene."""
    planes, shown = planes_of(scene), dense_object(scene)
    there = {int(plane.get(ROW, 0)): bool(plane.get(LOCKED, False)) for plane in planes}
    if shown is not None:
        there |= {row: bool(stored.locked[row]) for row in primitives_of(shown).tolist()}
    rows = [row for row in sorted(there) if row < stored.count]
    if not rows and stored.count:
        raise UserError(f"No plane of {scene.name} is left: undo that, or build the layout again")
    arrays: dict[str, Any] = {name: getattr(stored, name)[:, rows] for name in _MOVING}
    arrays |= {name: getattr(stored, name)[rows] for name in ("template", "level", "region", "mirror")}
    arrays["locked"] = np.array([there[row] for row in rows], bool)
    depth = None if stored.depth is None else stored.depth[:, rows]
    return Layout(**{**vars(stored), **arrays, "depth": depth})


def _values(plane: bpy.types.Object) -> list[float]:
    """Location, scale along x and y, turn about z, and color. Raises UserError where it lies askew."""
    if plane.parent is None and not plane.constraints:
        turn = plane.rotation_euler
        flat = plane.rotation_mode in ("XYZ", "ZYX") and abs(turn.x) < 1e-6 and abs(turn.y) < 1e-6
        if flat and not (any(plane.delta_location) or any(plane.delta_rotation_euler) or plane.delta_scale[:] != _ONES):
            return [*plane.location, *plane.scale[:2], turn.z, *plane.color]
    matrix = plane.matrix_world
    x, y = matrix.col[0].xyz, matrix.col[1].xyz
    lengths = max(x.length, 1e-12), max(y.length, 1e-12)
    if abs(x.z) > _FLAT * lengths[0] or abs(y.z) > _FLAT * lengths[1] or abs(x.dot(y)) > _FLAT * math.prod(lengths):
        raise UserError(f"The plane {plane.name} lies askew: turn it about Z alone, or delete it")
    flip = -1.0 if x.cross(y).z < 0 else 1.0
    return [*matrix.translation, flip * lengths[0], lengths[1], math.atan2(flip * x.y, flip * x.x), *plane.color]


def _primitives(values: FloatArray, stored: Layout, spread: float) -> dict[str, Any]:
    """What planes with these values [M, 10] are on the canvas: the inverse of planes.transforms."""
    x, y, z, along, across, turn = values[:, :6].T
    nearer = np.ones_like(z)
    if spread > 0:
        nearer = np.maximum(1.0 - z / camera_height(stored, spread), 1e-6)
    # Upside down is mirrored, and turned by half.
    turn = np.where(across < 0, turn + math.pi, turn)
    mirror = (along < 0) != (across < 0)
    along, across = (np.maximum(np.abs(axis) / nearer / UNIT, 1e-6) for axis in (along, across))
    color = values[:, 6:9].clip(0.0, 1.0)
    return {
        "x": x / nearer / UNIT + stored.width / 2,
        "y": stored.height / 2 - y / nearer / UNIT,
        "scale": np.sqrt(along * across),
        "aspect": along / across,
        "rotation": -turn,
        "opacity": values[:, 9].clip(0.0, 1.0),
        "color": encode(color) if stored.space == "linear" else color,
        "mirror": mirror,
    }


def _taken(stored: Layout, rows: NDArray[np.int64], changed: dict[str, Any], same: NDArray[np.bool_]) -> Layout:
    """The primitives of these rows, the first in front, with changed values unless they are the same."""
    arrays: dict[str, Any] = {"region": stored.region[rows]}
    for name, values in changed.items():
        plane = getattr(stored, name)[0] if name in _MOVING else getattr(stored, name)
        keep = same & (name != "locked")
        chosen = np.where(keep.reshape(-1, *[1] * (plane.ndim - 1)), plane[rows], values)
        arrays[name] = chosen[None] if name in _MOVING else chosen
    return _replaced(stored, arrays)


def _with_instances(layout: Layout, stored: Layout, there: NDArray[np.int32], order: NDArray[np.int64]) -> Layout:
    """Together with the primitives that are still instances, in this order."""
    arrays = {}
    for name in _MOVING:
        arrays[name] = np.concatenate([getattr(layout, name), getattr(stored, name)[:, there]], 1)[:, order]
    for name in ("template", "level", "region", "mirror", "locked"):
        arrays[name] = np.concatenate([getattr(layout, name), getattr(stored, name)[there]])[order]
    return _replaced(layout, arrays)


def _replaced(layout: Layout, arrays: dict[str, Any]) -> Layout:
    values = {key: value for key, value in vars(layout).items() if key not in arrays}
    return Layout(**{**values, **arrays, "depth": None})
