"""Make Planes Editable: turns stamps from instances into objects, with F-curves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import bpy
import numpy as np
from bpy.props import FloatProperty, StringProperty
from numpy.typing import NDArray

from ...backend.job import UserError
from ..scene.instances import dense_object, primitives_of, remove_points, stamp_meshes
from ..scene.keyframes import TOLERANCE, key_planes
from ..scene.planes import build_planes, levels_of
from ..scene.storage import KEY, stored_count, stored_layout, stored_spread, wholly_or_not_at_all
from ..session.reports import Reports


def make_editable(
    scene: bpy.types.Scene, rows: Iterable[int] | None = None, tolerance: float = TOLERANCE
) -> list[bpy.types.Object]:
    """Turns primitives that a scene shows as instances into planes, from its stored layout.

    rows: the primitives' numbers from 0; None = all that are instances. tolerance: of the F-curves, see key_planes().
    Returns the planes. Raises UserError where the scene shows no instances, or none of these.
    """
    layout, shown = stored_layout(scene), dense_object(scene)
    if layout is None or shown is None:
        raise UserError("This scene shows no stamps as instances: build a layout in that form first")
    there = primitives_of(shown, layout.count)
    gone = np.ones(len(there), np.bool_) if rows is None else np.isin(there, list(rows))
    chosen = np.sort(there[gone]).tolist()
    if not chosen:
        raise UserError("None of these stamps is an instance: choose points of the object that shows them")
    collection, meshes = shown.users_collection[0], stamp_meshes(shown)
    levels = levels_of(layout)
    if any(levels[row] not in meshes for row in chosen):
        raise UserError(f"Some stamps of {shown.name} were removed: undo that, or build the layout again")
    with wholly_or_not_at_all():
        spread = stored_spread(scene)
        planes = build_planes(layout, meshes, collection, chosen, spread)
        if len(layout.frames) > 1:
            key_planes(layout, planes, chosen, collection.name, tolerance, spread)
    remove_points(shown, gone)
    return planes


def numbers_in(text: str) -> NDArray[np.int64]:
    """Returns the numbers, minus 1, in a text such as "1-20, 35". Raises UserError for any other text."""
    parts = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,7})\s*(?:-\s*(\d{1,7})\s*)?", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= first <= last:
            raise UserError(f'"{part.strip()}" names no stamps: write numbers from 1, such as 1-20, 35')
        parts.append(np.arange(first - 1, last))
    return np.concatenate(parts)


class DIFFBMP_OT_make_editable(Reports):
    bl_idname = "diffbmp.make_editable"
    bl_label = "Make Planes Editable"
    bl_description = "Turn stamps from instances into objects: those selected in Edit Mode, or any"
    bl_options = {"UNDO"}

    stamps: StringProperty(
        name="Stamps",
        description="Choose stamps by numbers from 1, front first, such as 1-20, 35; empty = all, or those selected",
    )
    tolerance: FloatProperty(
        name="Key Tolerance",
        description="Set how far off a stamp may be where keys are left out; 0 = keys in every frame",
        subtype="PIXEL",
        default=TOLERANCE,
        min=0.0,
        soft_max=5.0,
    )

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        shown = dense_object(context.scene)
        if shown is None:
            return "This scene shows no stamps as instances"
        if KEY not in context.scene:
            return "This scene has no layout: append the scene that was built, not its collection"
        return "" if shown.data.vertices or shown.mode == "EDIT" else "All stamps are already planes"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if context.mode == "EDIT_MESH":
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> set[str]:
        shown = dense_object(context.scene)
        assert shown is not None  # poll made sure
        editing = shown.mode == "EDIT"
        if editing:  # in which a mesh's points cannot be read
            bpy.ops.object.mode_set(mode="OBJECT")
        try:
            rows: NDArray[Any] | None = None
            if self.stamps.strip():
                rows = numbers_in(self.stamps)
            elif editing:
                rows = _selected(shown, stored_count(context.scene))
            planes = make_editable(context.scene, rows, self.tolerance)
            return self.succeed(f"Made {len(planes):,} planes")
        except UserError as error:
            return self.fail(error)
        finally:
            if editing:
                bpy.ops.object.mode_set(mode="EDIT")


def _selected(shown: bpy.types.Object, count: int) -> NDArray[np.int32]:
    chosen = np.empty(len(shown.data.vertices), np.bool_)
    shown.data.vertices.foreach_get("select", chosen)
    return primitives_of(shown, count)[chosen]


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_make_editable,))
