"""The planes of a scene, as the artist has left them, as a layout again."""

from __future__ import annotations

import math
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..backend.job import Layout, UserError
from .colors import encode
from .instances import dense_object, primitives_of
from .planes import LEVEL, LOCKED, ROW, UNIT, camera_height, transforms
from .storage import SPREAD, stored_layout

_FLAT = 1e-4
"""Of an axis of a plane, relative to its length: more of it out of the canvas, or askew, is no turn about z."""

FloatArray = NDArray[np.float64]


def planes_of(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The planes of a scene that was built, duplicates included."""
    meshes = {mesh for mesh in bpy.data.meshes if LEVEL in mesh}
    return [item for item in scene.collection.all_objects if item.data in meshes]


def read_layout(scene: bpy.types.Scene) -> Layout:
    """The layout that a scene shows: planes may have been moved, turned, scaled, retinted, deleted and duplicated.

    What is as it was built has its stored values to the last bit. Raises UserError for a scene that was not built, for
    a layout that moves, and for a plane that lies askew.
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
    planes = planes_of(scene)
    rows = np.array([min(max(int(plane.get(ROW, 0)), 0), stored.count - 1) for plane in planes], np.int64)
    values = np.array([_values(plane) for plane in planes]).reshape(-1, 10)
    known = {mesh: mesh[LEVEL].to_list() for mesh in {plane.data for plane in planes}}
    levels = np.array([known[plane.data] for plane in planes], np.int64).reshape(-1, 3)
    own = np.column_stack([stored.template, stored.level])[rows]
    # Blender keeps single precision.
    same = (np.float32(values) == np.float32(expected[rows])).all(1) & (levels == own).all(1)
    locked = np.array([bool(plane.get(LOCKED, False)) for plane in planes], bool)

    changed = _primitives(values, stored, spread)
    changed |= {"template": levels[:, 0], "level": levels[:, 1:], "locked": locked}
    layout = _taken(stored, rows, changed, same, values[:, 2])
    shown = dense_object(scene)
    if shown is None:
        return layout
    return _with_instances(layout, stored, primitives_of(shown), values[:, 2], expected[:, 2])


def _values(plane: bpy.types.Object) -> list[float]:
    """Location, scale along x and y, turn about z, and colour. Raises UserError where it lies askew."""
    if plane.parent is None and not plane.constraints:
        turn = plane.rotation_euler
        flat = plane.rotation_mode in ("XYZ", "ZYX") and abs(turn.x) < 1e-6 and abs(turn.y) < 1e-6
        if flat:
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


def _taken(
    stored: Layout, rows: NDArray[np.int64], changed: dict[str, Any], same: NDArray[np.bool_], z: FloatArray
) -> Layout:
    """The primitives of these rows, the highest in front, with changed values unless they are the same."""
    front = np.lexsort((rows, -z))
    arrays: dict[str, Any] = {"region": stored.region[rows][front]}
    for name, values in changed.items():
        moving = name not in ("template", "level", "locked", "mirror")
        plane = getattr(stored, name)[0] if moving else getattr(stored, name)
        keep = same & (name != "locked")
        chosen = np.where(keep.reshape(-1, *[1] * (plane.ndim - 1)), plane[rows], values)[front]
        arrays[name] = chosen[None] if moving else chosen
    return _replaced(stored, arrays)


def _with_instances(
    layout: Layout, stored: Layout, there: NDArray[np.int32], z: FloatArray, heights: FloatArray
) -> Layout:
    """Together with the primitives that are still instances."""
    if not len(there):
        return layout
    order = np.argsort(-np.concatenate([np.sort(z)[::-1], heights[there]]), kind="stable")
    arrays = {}
    for name in ("x", "y", "scale", "aspect", "rotation", "opacity", "color"):
        arrays[name] = np.concatenate([getattr(layout, name), getattr(stored, name)[:, there]], 1)[:, order]
    for name in ("template", "level", "region", "mirror", "locked"):
        arrays[name] = np.concatenate([getattr(layout, name), getattr(stored, name)[there]])[order]
    return _replaced(layout, arrays)


def _replaced(layout: Layout, arrays: dict[str, Any]) -> Layout:
    values = {key: value for key, value in vars(layout).items() if key not in arrays}
    return Layout(**{**values, **arrays, "depth": None})
