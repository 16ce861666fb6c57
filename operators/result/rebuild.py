"""Rebuild, Lock and Remove: operators on a result in its own scene."""

from __future__ import annotations

from collections.abc import Mapping

import bpy

from ...backend.job import Layout, UserError
from ..scene.build import Form, build_layout, check_layout, form_of
from ..scene.instances import dense_object, stamp_meshes
from ..scene.planes import LOCKED, Level
from ..scene.stage import set_camera
from ..scene.storage import (
    KEY,
    SOURCE,
    store_layout,
    stored_count,
    stored_layout,
    stored_scene,
    stored_stamps,
    wholly_or_not_at_all,
)
from ..session.reports import Reports
from ..session.slots import is_busy
from .ownership import foreign_objects, home_of, planes_of, remove_unused, stage_of, take_out
from .readback import Reading, kept_of_clip, read_scene, usual_meshes


def is_result(scene: bpy.types.Scene) -> bool:
    """Whether a scene was built from a layout."""
    return KEY in scene


def source_of(scene: bpy.types.Scene) -> bpy.types.Scene | None:
    """Returns the scene from whose settings this one was built."""
    by_name = stored_scene(scene, SOURCE)
    if by_name is not None and not is_result(by_name):
        return by_name
    return next((item for item in bpy.data.scenes if item.diffbmp.build.scene == scene), None)


def rebuild(scene: bpy.types.Scene, form: Form) -> None:
    """Rebuilds a scene's layout in another form; planes keep changes made by hand.

    A moving layout keeps deletions and locks, but its keys are recreated. Raises UserError as check_layout and
    read_scene do, and leaves the scene unchanged then.
    """
    stored = stored_layout(scene)
    if stored is None:
        raise UserError("This scene has no layout: build one first")
    reading = read_scene(scene) if len(stored.frames) == 1 else Reading(kept_of_clip(scene, stored), [])
    show_layout(scene, reading.layout, meshes_of(scene), stamps_of(scene), form, reading.own_meshes)


def show_layout(
    scene: bpy.types.Scene,
    layout: Layout,
    meshes: dict[Level, bpy.types.Mesh],
    stamps: list[bpy.types.Image],
    form: Form,
    own: Mapping[int, bpy.types.Mesh] | None = None,
) -> None:
    """Replaces the layout of a built scene by another of the same canvas. own: see build_planes.

    What the artist has put between the planes stays in the scene. Raises UserError as check_layout and build_layout do,
    and leaves the scene unchanged then.
    """
    check_layout(layout, f"The layout of {scene.name}", form)
    (home, name), old_stamps = home_of(scene), stamps_of(scene)
    with wholly_or_not_at_all():
        collection = build_layout(layout, meshes, name, form, own)
    old = take_out(scene, collection)
    home.children.link(collection)
    set_camera(scene, layout, form.spread)
    store_layout(layout, stamps, scene, form.spread)
    remove_unused(old | set(old_stamps))
    collection.name = name


def remove_result(scene: bpy.types.Scene) -> None:
    """Removes a built scene with all that was made for it, and nothing else.

    Raises UserError for a scene that was not built, or that shows objects of the user's own.
    """
    if not is_result(scene):
        raise UserError(f"The scene {scene.name} was not built: nothing is removed")
    others = [other for other in bpy.data.scenes if other != scene]
    if not others:
        raise UserError(f"The scene {scene.name} is the only one: make another first")
    foreign = next((item for item in foreign_objects(scene) if item.users_scene == (scene,)), None)
    if foreign is not None:
        raise UserError(f"The scene {scene.name} also has the object {foreign.name}: move it to another scene first")
    dismantle(scene)


def dismantle(scene: bpy.types.Scene) -> None:
    """Removes a scene, if not the only one, with all that was made for it; objects of the user's own stay."""
    parts = stage_of(scene) | (set(stamps_of(scene)) if is_result(scene) else set())
    parts |= take_out(scene, scene.collection)
    bpy.data.scenes.remove(scene)
    remove_unused(parts)


def meshes_of(scene: bpy.types.Scene) -> dict[Level, bpy.types.Mesh]:
    """Returns the meshes of a scene's planes and instances, by level."""
    shown = dense_object(scene)
    return usual_meshes(planes_of(scene)) | ({} if shown is None else stamp_meshes(shown))


def stamps_of(scene: bpy.types.Scene) -> list[bpy.types.Image]:
    """Returns the stamps of a built scene, as images: see stored_stamps."""
    return stored_stamps(scene)


class ResultOperator(Reports):
    """Base of operators on a built scene."""

    bl_options = {"UNDO"}

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        if not is_result(context.scene):
            return "This scene was not built: show the result's"
        if is_busy(context.scene):
            return "An optimization continues from this scene: wait for its end, or cancel it"
        return ""


class DIFFBMP_OT_rebuild(ResultOperator):
    bl_idname = "diffbmp.rebuild"
    bl_label = "Rebuild"
    bl_description = "Rebuild the layout with these settings. Planes keep changes made by hand; keys are recreated"

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.run(lambda: self._rebuild(context.scene))

    def _rebuild(self, scene: bpy.types.Scene) -> str:
        rebuild(scene, form_of(scene.diffbmp.build))
        scene.cycles.samples = scene.diffbmp.build.samples
        return f"Rebuilt {stored_count(scene):,} stamps"


class DIFFBMP_OT_lock(ResultOperator):
    bl_idname = "diffbmp.lock"
    bl_label = "Lock"
    bl_description = "Lock the selected planes: Continue does not change them"

    action: bpy.props.EnumProperty(
        items=(
            ("LOCK", "Lock", "Continue does not change the selected planes"),
            ("UNLOCK", "Unlock", "Continue may change the selected planes again"),
            ("SELECT", "Select Locked", "Select all planes that are locked"),
        ),
        name="Action",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        planes = planes_of(context.scene)
        if self.action == "SELECT":
            there = set(context.view_layer.objects)
            for plane in there.intersection(planes):
                plane.select_set(bool(plane.get(LOCKED, False)))
            return self.succeed(f"{sum(bool(plane.get(LOCKED, False)) for plane in planes):,} planes are locked")
        chosen = [plane for plane in planes if plane.select_get()]
        if not chosen:
            return self.fail(UserError("No plane is selected: select some first"))
        for plane in chosen:
            if self.action == "LOCK":
                plane[LOCKED] = True
            else:
                plane.pop(LOCKED, None)
        return self.succeed(f"{len(chosen):,} planes are {'' if self.action == 'LOCK' else 'no longer '}locked")


class DIFFBMP_OT_remove_result(ResultOperator):
    bl_idname = "diffbmp.remove_result"
    bl_label = "Remove Result"
    bl_description = "Remove this scene with all that was made for it"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene, name = context.scene, context.scene.name
        other = source_of(scene) or next((item for item in bpy.data.scenes if item != scene), None)
        if other is not None and context.window:
            context.window.scene = other
        try:
            remove_result(scene)
        except UserError as error:
            if context.window:
                context.window.scene = scene
            return self.fail(error)
        return self.succeed(f"Removed {name}")


register, unregister = bpy.utils.register_classes_factory(
    (DIFFBMP_OT_rebuild, DIFFBMP_OT_lock, DIFFBMP_OT_remove_result)
)
