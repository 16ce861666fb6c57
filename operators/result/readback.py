"""Reads the planes of a scene, as the artist has left them, back to a layout."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.job import BOUNDS, Layout, UserError
from ..blender.colors import encode
from ..scene.instances import dense_object, primitives_of
from ..scene.planes import LOCKED, UNIT, Level, camera_height, level_of, row_of, transforms
from ..scene.storage import stored_layout, stored_spread
from .ownership import planes_of

_FLAT = 1e-4
"""Greatest tilt and shear of a plane's axes, relative to their length, in a rotation about z."""

_ONES = (1.0, 1.0, 1.0)

_MOVING = ("x", "y", "scale", "aspect", "rotation", "opacity", "color")
"""Arrays of a layout with a row per frame."""

_FIXED = ("template", "level", "region", "mirror", "locked")
"""Arrays of a layout that are the same in all frames."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """What a scene shows: its layout, and the plane of each primitive, None where it is an instance."""

    layout: Layout
    planes: list[bpy.types.Object | None]

    @property
    def own_meshes(self) -> dict[int, bpy.types.Mesh]:
        """Meshes of primitives, by number, that differ from the one of their level, as those of painted planes do."""
        found = ((row, plane.data) for row, plane in enumerate(self.planes) if plane is not None)
        usual = usual_meshes([plane for plane in self.planes if plane is not None])
        return {row: mesh for row, mesh in found if usual[level_of(mesh)] != mesh}


def usual_meshes(planes: list[bpy.types.Object]) -> dict[Level, bpy.types.Mesh]:
    """Returns for each level the mesh that most planes show."""
    usual: dict[Level, bpy.types.Mesh] = {}
    for mesh, _ in Counter(plane.data for plane in planes).most_common():
        usual.setdefault(level_of(mesh), mesh)
    return usual


def read_layout(scene: bpy.types.Scene) -> Layout:
    """Reads the layout that a scene shows: see read_scene."""
    return read_scene(scene).layout


def read_scene(scene: bpy.types.Scene) -> Reading:
    """Reads what a scene shows: planes may have been moved, rotated, scaled, tinted, deleted and duplicated.

    What is unchanged keeps its stored values to the last bit. Raises UserError for a scene that was not built or has no
    plane left, for a moving layout, and for a plane that is sheared or tilted.
    """
    stored = stored_layout(scene)
    if stored is None:
        raise UserError("This scene has no layout: build one first")
    if len(stored.frames) > 1:
        raise UserError("Planes that move cannot be read back: this works for layouts of one frame only")
    scene.view_layers[0].update()
    spread = stored_spread(scene)
    built = transforms(stored, [0], spread)
    expected = np.concatenate([built.location, built.scale, built.rotation[..., None], built.color], 2)[0]
    planes, shown = planes_of(scene), dense_object(scene)
    if not planes and shown is None and stored.count:
        raise UserError(f"No plane of {scene.name} is left: undo that, or build the layout again")
    if planes and not stored.count:
        raise UserError(f"The layout of {scene.name} has no stamps, but the scene has planes: build the layout again")
    rows = np.array([min(row_of(plane), stored.count - 1) for plane in planes], np.int64)
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
    layout = _changed(stored, rows[front], {name: array[front] for name, array in changed.items()}, same[front])
    objects: list[bpy.types.Object | None] = [planes[index] for index in front]
    if shown is None:
        return Reading(layout, objects)
    there = primitives_of(shown, stored.count)
    order = np.argsort(-np.concatenate([values[front, 2], expected[there, 2]]), kind="stable")
    objects += [None] * len(there)
    return Reading(_with_instances(layout, stored, there, order), [objects[index] for index in order])


def kept_of_clip(scene: bpy.types.Scene, stored: Layout) -> Layout:
    """Returns the stored layout of a clip without deleted primitives, and with the locks of the scene."""
    planes, shown = planes_of(scene), dense_object(scene)
    there = {row_of(plane): bool(plane.get(LOCKED, False)) for plane in planes}
    if shown is not None:
        there |= {row: bool(stored.locked[row]) for row in primitives_of(shown, stored.count).tolist()}
    rows = [row for row in sorted(there) if row < stored.count]
    if not rows and stored.count:
        raise UserError(f"No plane of {scene.name} is left: undo that, or build the layout again")
    depth = None if stored.depth is None else stored.depth[:, rows]
    locked = np.array([there[row] for row in rows])
    return replace(stored, **{**_taken(stored, rows), "locked": locked, "depth": depth})


def _taken(layout: Layout, rows: Any) -> dict[str, Any]:
    """Returns the arrays of some primitives of a layout, by name."""
    moving = {name: getattr(layout, name)[:, rows] for name in _MOVING}
    return moving | {name: getattr(layout, name)[rows] for name in _FIXED}


def _values(plane: bpy.types.Object) -> list[float]:
    """Returns location, scale along x and y, rotation about z, and color. Raises UserError where it is tilted."""
    if plane.parent is None and not plane.constraints:
        turn = plane.rotation_euler
        flat = plane.rotation_mode in ("XYZ", "ZYX") and abs(turn.x) < 1e-6 and abs(turn.y) < 1e-6
        if flat and not (any(plane.delta_location) or any(plane.delta_rotation_euler) or plane.delta_scale[:] != _ONES):
            return [*plane.location, *plane.scale[:2], turn.z, *plane.color]
    matrix = plane.matrix_world
    x, y = matrix.col[0].xyz, matrix.col[1].xyz
    lengths = max(x.length, 1e-12), max(y.length, 1e-12)
    if abs(x.z) > _FLAT * lengths[0] or abs(y.z) > _FLAT * lengths[1] or abs(x.dot(y)) > _FLAT * math.prod(lengths):
        raise UserError(f"The plane {plane.name} is tilted or sheared: rotate it about Z only, or delete it")
    flip = -1.0 if x.cross(y).z < 0 else 1.0
    return [*matrix.translation, flip * lengths[0], lengths[1], math.atan2(flip * x.y, flip * x.x), *plane.color]


def _primitives(values: FloatArray, stored: Layout, spread: float) -> dict[str, Any]:
    """Converts planes' values [M, 10] to primitives on the canvas: the inverse of planes.transforms."""
    x, y, z, along, across, turn = values[:, :6].T
    nearer = np.ones_like(z)
    if spread > 0:
        nearer = np.maximum(1.0 - z / camera_height(stored, spread), 1e-6)
    # Upside down equals mirrored and rotated by half a turn.
    turn = np.where(across < 0, turn + math.pi, turn)
    mirror = (along < 0) != (across < 0)
    along, across = (np.maximum(np.abs(axis) / nearer / UNIT, 1e-6) for axis in (along, across))
    color = values[:, 6:9].clip(0.0, 1.0)
    moving = {
        "x": x / nearer / UNIT + stored.width / 2,
        "y": stored.height / 2 - y / nearer / UNIT,
        "scale": np.sqrt(along * across),
        "aspect": along / across,
        "rotation": -turn,
        "opacity": values[:, 9].clip(0.0, 1.0),
        "color": encode(color) if stored.space == "linear" else color,
    }
    # What lies farther away, or is scaled flatter, is not seen anyway.
    return {name: values.clip(*BOUNDS[name]) for name, values in moving.items()} | {"mirror": mirror}


def _changed(stored: Layout, rows: NDArray[np.int64], changed: dict[str, Any], same: NDArray[np.bool_]) -> Layout:
    """Returns the primitives of these rows, front first, with changed values unless they are the same."""
    arrays = _taken(stored, rows)
    for name, values in changed.items():
        own = arrays[name][0] if name in _MOVING else arrays[name]
        keep = same & (name != "locked")
        chosen = np.where(keep.reshape(-1, *[1] * (own.ndim - 1)), own, values)
        arrays[name] = chosen[None] if name in _MOVING else chosen
    return replace(stored, **arrays, depth=None)


def _with_instances(layout: Layout, stored: Layout, there: NDArray[np.int32], order: NDArray[np.int64]) -> Layout:
    """Adds the primitives that are still instances, and puts all in this order."""
    arrays = {
        name: np.concatenate([getattr(layout, name), more], 1 if name in _MOVING else 0)
        for name, more in _taken(stored, there).items()
    }
    joined = replace(layout, **arrays)
    return replace(joined, **_taken(joined, order))
