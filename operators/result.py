"""What can be done with a result in its own scene: built anew, locked, removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import bpy

from ..backend.job import Layout, UserError
from .build import Form, build_layout, check_layout, form_of
from .instances import dense_object, stamp_meshes
from .planes import LEVEL, LOCKED, Level
from .readback import planes_of, read_layout
from .session import NOTICE
from .stage import set_camera
from .storage import KEY, store_layout, stored_layout, wholly_or_not_at_all


def is_result(scene: bpy.types.Scene) -> bool:
    """Whether it was built."""
    return KEY in scene


def source_of(scene: bpy.types.Scene) -> bpy.types.Scene | None:
    """The scene from whose settings this one was built."""
    return next((item for item in bpy.data.scenes if item.diffbmp.build.scene == scene), None)


def rebuild(scene: bpy.types.Scene, form: Form) -> None:
    """Builds a scene's layout anew, in another form; planes that were changed by hand keep that.

    Raises UserError, with the scene as it was, as check_layout and read_layout do.
    """
    layout = read_layout(scene) if len((stored_layout(scene) or _none()).frames) == 1 else stored_layout(scene)
    assert layout is not None
    show_layout(scene, layout, meshes_of(scene), stamps_of(scene), form)


def show_layout(
    scene: bpy.types.Scene,
    layout: Layout,
    meshes: dict[Level, bpy.types.Mesh],
    stamps: list[bpy.types.Image],
    form: Form,
) -> None:
    """Has a scene that was built show another layout of the same canvas in place of its own."""
    check_layout(layout, f"The layout of {scene.name}", form)
    old = set(_parts(scene))
    name = next((child.name for child in scene.collection.children if child in old), scene.name)
    with wholly_or_not_at_all():
        collection = build_layout(layout, meshes, name, form)
    # Out of the scene first: objects in one are removed ten times as slowly.
    for child in [child for child in scene.collection.children if child in old]:
        scene.collection.children.unlink(child)
    scene.collection.children.link(collection)
    _remove(old - set(_within(collection)) - set(_stage(scene)))
    collection.name = name
    set_camera(scene, layout, form.spread)
    store_layout(layout, stamps, scene, form.spread)


def remove_result(scene: bpy.types.Scene) -> None:
    """Removes a scene that was built with all that was made for it, and nothing else.

    Raises UserError for one that was not built, or that shows objects of the user's own.
    """
    if not is_result(scene):
        raise UserError(f"The scene {scene.name} was not built: nothing is removed")
    parts = set(_parts(scene))
    foreign = next((item for item in scene.collection.all_objects if item not in parts), None)
    if foreign is not None:
        raise UserError(f"The scene {scene.name} also has the object {foreign.name}: move it to another scene first")
    if len(bpy.data.scenes) == 1:
        raise UserError(f"The scene {scene.name} is the only one: make another first")
    dismantle(scene)


def dismantle(scene: bpy.types.Scene) -> None:
    """Removes a scene, which is not the only one, with all that was made for it; objects of the user's own stay."""
    parts = set(_parts(scene))
    tree = getattr(scene, "compositing_node_group", None)
    bpy.data.scenes.remove(scene)
    _remove(parts | ({tree} if tree else set()))


def remove_shown(collection: bpy.types.Collection) -> None:
    """Removes a collection of planes or instances with all that those consist of."""
    _remove(set(_within(collection)))


def meshes_of(scene: bpy.types.Scene) -> dict[Level, bpy.types.Mesh]:
    """The meshes of a scene's planes and instances, by level."""
    shown = dense_object(scene)
    found = {} if shown is None else stamp_meshes(shown)
    return found | {tuple(plane.data[LEVEL].to_list()): plane.data for plane in planes_of(scene)}


def stamps_of(scene: bpy.types.Scene) -> list[bpy.types.Image]:
    """The stamps of a scene that was built, as images."""
    stamps = scene[KEY]["stamps"]
    return [stamps[str(index)] for index in range(len(stamps))]


def _none() -> Layout:
    raise UserError("This scene has no layout: build one first")


def _parts(scene: bpy.types.Scene) -> Iterator[bpy.types.ID]:
    """All that was made for a scene, but for itself."""
    for child in scene.collection.children:
        objects = list(child.all_objects)
        if any(item.type == "MESH" and (LEVEL in item.data or item == dense_object(scene)) for item in objects):
            yield from _within(child)
    yield from _stage(scene)
    if is_result(scene):
        yield from stamps_of(scene)


def _stage(scene: bpy.types.Scene) -> Iterator[bpy.types.ID]:
    """Its camera and its world."""
    if scene.camera:
        yield from (scene.camera, scene.camera.data)
    if scene.world:
        yield scene.world


def _within(collection: bpy.types.Collection) -> Iterator[bpy.types.ID]:
    """A collection of planes or instances, and all that those consist of."""
    yield collection
    yield from collection.children_recursive
    for item in collection.all_objects:
        if item.type != "MESH":
            continue
        groups = [
            modifier.node_group for modifier in item.modifiers if modifier.type == "NODES" and modifier.node_group
        ]
        if LEVEL in item.data or groups:
            yield from _object(item)
        for group in groups:
            yield from _group(group)


def _object(item: bpy.types.Object) -> Iterator[bpy.types.ID]:
    yield item
    yield item.data
    if item.animation_data and item.animation_data.action:
        yield item.animation_data.action
    for material in item.data.materials:
        yield material
        yield from (node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE" and node.image)


def _group(group: bpy.types.NodeTree) -> Iterator[bpy.types.ID]:
    """A tree of nodes, and the objects that it reads."""
    yield group
    if group.animation_data and group.animation_data.action:
        yield group.animation_data.action
    for node in group.nodes:
        for socket in node.inputs:
            value = getattr(socket, "default_value", None)
            if isinstance(value, bpy.types.Object):
                yield from _object(value)
            elif isinstance(value, bpy.types.Collection):
                yield value
                for item in value.objects:
                    yield from _object(item)


def _remove(parts: set[bpy.types.ID]) -> None:
    """Removes objects and collections, and of the rest what nothing uses any more."""
    kinds = (bpy.types.Object, bpy.types.Collection)
    bpy.data.batch_remove([item for item in parts if isinstance(item, kinds)])
    rest = [item for item in parts if not isinstance(item, kinds)]
    while unused := [item for item in rest if item.users == 0]:
        rest = [item for item in rest if item.users > 0]
        bpy.data.batch_remove(unused)


class ResultOperator(bpy.types.Operator):
    """What operators of a scene that was built have in common."""

    bl_options = {"UNDO"}  # noqa: RUF012  Blender's own form

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not is_result(context.scene):
            cls.poll_message_set("This scene was not built: show the result's")
            return False
        return True

    def run(self, act: Callable[[], str]) -> set[str]:
        """Does it, and tells what it returns, or what went wrong."""
        try:
            return self.end(act())
        except UserError as error:
            return self.end("", error)

    def end(self, message: str, error: UserError | None = None) -> set[str]:
        """Says how it went, and returns the operator's result."""
        text = error.message if error else message
        NOTICE.tell(text, is_error=error is not None, action=error.action if error else "")
        self.report({"ERROR" if error else "INFO"}, text)
        return {"CANCELLED" if error else "FINISHED"}


class DIFFBMP_OT_rebuild(ResultOperator):
    bl_idname = "diffbmp.rebuild"
    bl_label = "Rebuild"
    bl_description = "Build the layout anew with these settings. Planes that were changed by hand keep that"

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = context.scene
        try:
            rebuild(scene, form_of(scene.diffbmp.build))
        except UserError as error:
            return self.end("", error)
        scene.cycles.samples = scene.diffbmp.build.samples
        return self.end(f"Built {len(scene[KEY]['template']):,} stamps anew")


class DIFFBMP_OT_lock(ResultOperator):
    bl_idname = "diffbmp.lock"
    bl_label = "Lock"
    bl_description = "Lock the selected planes: Continue leaves them exactly as they are"

    action: bpy.props.EnumProperty(  # type: ignore[valid-type]
        items=(
            ("LOCK", "Lock", "Continue leaves the selected planes as they are"),
            ("UNLOCK", "Unlock", "Continue may change the selected planes again"),
            ("SELECT", "Select Locked", "Select all planes that are locked"),
        ),
        name="Action",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        planes = planes_of(context.scene)
        if self.action == "SELECT":
            for plane in planes:
                plane.select_set(bool(plane.get(LOCKED, False)))
            return self.end(f"{sum(bool(plane.get(LOCKED, False)) for plane in planes):,} planes are locked")
        chosen = [plane for plane in planes if plane.select_get()]
        if not chosen:
            return self.end("", UserError("No plane is selected: select those that are meant"))
        for plane in chosen:
            if self.action == "LOCK":
                plane[LOCKED] = True
            else:
                plane.pop(LOCKED, None)
        return self.end(f"{len(chosen):,} planes are {'' if self.action == 'LOCK' else 'no longer '}locked")


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
            return self.end("", error)
        return self.end(f"Removed {name}")


_CLASSES = (DIFFBMP_OT_rebuild, DIFFBMP_OT_lock, DIFFBMP_OT_remove_result)


def register() -> None:
    for item in _CLASSES:
        bpy.utils.register_class(item)


def unregister() -> None:
    for item in reversed(_CLASSES):
        bpy.utils.unregister_class(item)
