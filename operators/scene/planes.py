"""Builds a layout as layered planes: one object per primitive, the first in front, grouped by stamp."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.job import BOUNDS, LEVEL_PADDING, Layout, TemplateSpec, UserError
from ..blender.colors import to_space
from .level_pictures import LevelPictures
from .materials import make_material
from .storage import ARRAY, MADE

UNIT = 0.01
"""Blender units per canvas pixel."""

SPACING = 1e-3
"""Distance between layers: Cycles needs only a ten-thousandth of it at this camera's distance."""

LEVEL = "diffbmp_level"
"""Custom property of the planes' meshes: a Level."""

ROW = "diffbmp_row"
"""Custom property of planes: the number of their primitive in the stored layout, from 0."""

LOCKED = "diffbmp_locked"
"""Custom property of planes that a continued fit does not change."""

_CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1))

Level = tuple[int, int, int]  # template, level along u, level along v


@dataclass
class Transforms:
    """The objects' transforms and colors: in each frame, a row per primitive."""

    location: NDArray[np.float64]  # [F, N, 3]
    scale: NDArray[np.float64]  # [F, N, 2]
    rotation: NDArray[np.float64]  # [F, N] about z
    color: NDArray[np.float64]  # [F, N, 4] with the opacity, in the values that are composited

    def of(self, rows: Sequence[int]) -> Transforms:
        """Returns the transforms of some primitives."""
        parts = (self.location, self.scale, self.rotation, self.color)
        return Transforms(*(part[:, rows] for part in parts))


def levels_of(layout: Layout) -> list[Level]:
    """Returns the level that each primitive shows, [N]."""
    numbers = layout.template.tolist()
    return [(t, u, v) for t, (u, v) in zip(numbers, layout.level.tolist(), strict=True)]


def level_of(mesh: bpy.types.Mesh) -> Level:
    """Returns the level that the mesh of a plane shows. Raises UserError where its custom property was changed."""
    level = mesh.get(LEVEL)
    values = level.to_list() if isinstance(level, ARRAY) else []
    if len(values) != 3 or not all(type(value) is int and value >= 0 for value in values):
        raise UserError(f"The mesh {mesh.name} no longer says which stamp it shows: undo that, or build again")
    if max(values[1:]) > BOUNDS["level"][1]:
        raise UserError(f"The mesh {mesh.name} shows a size of its stamp that does not exist: build again")
    return values[0], values[1], values[2]


def row_of(plane: bpy.types.Object) -> int:
    """Returns the number of a plane's primitive in the stored layout, from 0, as its custom property says."""
    row = plane.get(ROW, 0)
    return max(row, 0) if isinstance(row, int) else 0


def check_meshes(layout: Layout, meshes: Mapping[Level, bpy.types.Mesh], own: Container[int] = ()) -> None:
    """Raises UserError where a level has no mesh. own: numbers of primitives that have meshes of their own."""
    for row, level in enumerate(levels_of(layout)):
        if level not in meshes and row not in own:
            name = layout.templates[level[0]].name
            raise UserError(f"A size of the stamp {name} is no longer there: undo that, or build the layout again")


def check_plane(mesh: bpy.types.Mesh) -> None:
    """Raises UserError where the mesh of a plane was edited to another shape, or lost its UV."""
    if len(mesh.vertices) != len(_CORNERS) or len(mesh.loops) != len(_CORNERS) or not mesh.uv_layers:
        raise UserError(f"The mesh {mesh.name} is no rectangle any more: undo that, or build the layout again")


def build_planes(
    layout: Layout,
    meshes: dict[Level, bpy.types.Mesh],
    collection: bpy.types.Collection,
    rows: Sequence[int],
    spread: float = 0.0,
    own: Mapping[int, bpy.types.Mesh] | None = None,
) -> list[bpy.types.Object]:
    """Makes planes of some primitives of a layout in a collection, as they are in its first frame.

    meshes: see make_meshes(). rows: numbers of the primitives from 0, in the order of the planes that are returned.
    The canvas is centered on the origin, its y pointing up; the last layer is at z = 0. spread: see transforms(). own:
    meshes that some primitives show instead of the one of their level, by number.
    """
    levels = levels_of(layout)
    used = sorted({levels[index][0] for index in rows})
    groups = {t: _group(f"{collection.name} {layout.templates[t].name}", collection) for t in used}
    digits = len(str(layout.count))
    first = transforms(layout, [0], spread)
    parts = (first.location, first.scale, first.rotation, first.color)
    values = zip(*(part[0, rows].tolist() for part in parts), strict=True)
    planes = []
    for index, (location, scale, rotation, color) in zip(rows, values, strict=True):
        template = levels[index][0]
        mesh = (own or {}).get(index) or meshes[levels[index]]
        plane = bpy.data.objects.new(f"{layout.templates[template].name}_{index + 1:0{digits}d}", mesh)
        plane.location = location
        plane.scale = (*scale, 1.0)
        plane.rotation_euler.z = rotation
        plane.color = color
        plane[ROW] = index
        if layout.locked[index]:
            plane[LOCKED] = True
        groups[template].objects.link(plane)
        planes.append(plane)
    return planes


def _group(name: str, parent: bpy.types.Collection) -> bpy.types.Collection:
    """Returns the child collection of this name, a new one where there is none."""
    group = parent.children.get(name)
    if group is None:
        group = bpy.data.collections.new(name)
        group[MADE] = True
        parent.children.link(group)
    return group


def transforms(layout: Layout, frames: Sequence[int] | None = None, spread: float = 0.0) -> Transforms:
    """Returns the transforms in these frames of a layout, by their numbers from 0; in all by default.

    spread: distance from the last layer to the front one, in longer sides of the canvas. Above 0 the layers lie apart,
    the nearer the smaller, so that the camera at `camera_height` sees them as if they lay flat.
    """
    z = heights(layout)
    if spread > 0:
        z = z * (spread * longer_side(layout) / max(float(z.max(initial=0.0)), SPACING))
    if frames is not None:
        layout, z = layout.only(frames), z[list(frames)]
    x, y = layout.x.astype(np.float64), layout.y.astype(np.float64)
    scale, root = layout.scale.astype(np.float64), np.sqrt(layout.aspect.astype(np.float64))
    location = np.stack([(x - layout.width / 2) * UNIT, (layout.height / 2 - y) * UNIT, z], 2)
    flip = np.where(layout.mirror, -1.0, 1.0)
    axes = np.stack([flip * scale * root, scale / root], 2) * UNIT
    if spread > 0:
        nearer = 1.0 - z / camera_height(layout, spread)
        location[..., :2] *= nearer[..., None]
        axes *= nearer[..., None]
    color = to_space(layout.color.astype(np.float64), layout.space)
    opacity = layout.opacity.astype(np.float64)[..., None]
    # y points down on the canvas and up here, so rotations change their sign.
    return Transforms(location, axes, -layout.rotation.astype(np.float64), np.concatenate([color, opacity], 2))


def longer_side(layout: Layout) -> float:
    """Returns the longer side of the canvas, in Blender units."""
    return max(layout.width, layout.height) * UNIT


def camera_height(layout: Layout, spread: float) -> float:
    """Returns how far above the last layer the camera is where layers lie apart: in front of all of them."""
    return longer_side(layout) * (2.0 + spread)


def heights(layout: Layout) -> NDArray[np.float64]:
    """Returns the z of each primitive in each frame: [F, N], from 0 for the last layer."""
    if layout.depth is None:
        return np.broadcast_to(np.arange(layout.count)[::-1] * SPACING, layout.x.shape)
    layers, place = np.unique(layout.depth, return_inverse=True)
    return (len(layers) - 1 - place.reshape(layout.depth.shape)) * SPACING


def make_meshes(layout: Layout, folder: Path) -> dict[Level, bpy.types.Mesh]:
    """Makes a rectangle with its material for each used level, in their order. folder: the layout's.

    Raises UserError where a level's picture is missing or unreadable.
    """
    pictures = LevelPictures(layout, folder)
    return {key: make_mesh(layout, key, pictures) for key in sorted(set(levels_of(layout)))}


def make_mesh(layout: Layout, key: Level, pictures: LevelPictures) -> bpy.types.Mesh:
    """Makes a rectangle with its material for one of a layout's levels: see make_meshes."""
    stamp = layout.templates[key[0]]
    name = f"{stamp.name} {key[1]}x{key[2]}"
    image = pictures.packed(key, name)
    mesh = _make_mesh(image, stamp)
    mesh[LEVEL] = key
    mesh.materials.append(make_material(name, image, stamp))
    return mesh


def _make_mesh(image: bpy.types.Image, stamp: TemplateSpec) -> bpy.types.Mesh:
    """Makes a rectangle with the padded image, on which the stamp itself fills its part of the square [-1, 1]^2."""
    if min(image.size) <= 2 * LEVEL_PADDING:
        raise UserError(f"The stamp's picture {image.name} is too small for this layout: optimize again")
    mesh = bpy.data.meshes.new(image.name)
    mesh.from_pydata([(u, v, 0.0) for u, v in _CORNERS], [], [(0, 1, 2, 3)])
    mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", [(c + 1) / 2 for corner in _CORNERS for c in corner])
    set_corners(mesh, image, stamp)
    return mesh


def set_corners(mesh: bpy.types.Mesh, image: bpy.types.Image, stamp: TemplateSpec) -> None:
    """Fits the mesh of a stamp's level to its padded image."""
    longer = max(stamp.width, stamp.height)
    half_u, half_v = (
        size / (size - 2 * LEVEL_PADDING) * side / longer
        for size, side in zip(image.size, (stamp.width, stamp.height), strict=True)
    )
    mesh.vertices.foreach_set("co", [value for u, v in _CORNERS for value in (half_u * u, half_v * v, 0.0)])
    mesh.update()
