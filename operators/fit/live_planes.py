"""The live scene: shows the stamps of the running optimization, and follows its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.job import Layout, UserError
from ..result.ownership import SOURCES, remove_unused, take_out
from ..result.rebuild import dismantle
from ..scene.instance_nodes import STAMP, make_tree
from ..scene.instances import MODIFIER, dense_object, fill_points, make_cache, set_cache
from ..scene.level_pictures import LevelPictures
from ..scene.planes import LEVEL, Level, levels_of, make_mesh, transforms
from ..scene.stage import make_scene
from ..scene.storage import LIVE, MADE, stored_scene
from ..scene.view import show_scene_in
from ..session.reports import Reports

NAME = "DiffBMP Live"

STEP_SECONDS = 0.02
"""Longest time that one call of follow keeps Blender waiting."""

MAX_COUNT = 20_000
"""Most primitives for which checkpoints are shown in time: see tests/addon/bench/pace.py."""


def live_scene() -> bpy.types.Scene | None:
    """Returns the scene that shows a running optimization; None where there is none."""
    return next((scene for scene in bpy.data.scenes if LIVE in scene), None)


class LivePlanes:
    """Follows one run. Between calls, only its steps hold data of Blender's that undo could free."""

    def __init__(self) -> None:
        self._steps: Iterator[None] | None = None
        self._seen = 0  # modification time of the checkpoint that is shown, ns
        self._was_shown = False

    def follow(self, source: bpy.types.Scene, folder: Path) -> None:
        """Does a part of the work to show the latest checkpoint in the folder, if the scene asks for that.

        source: the scene that is optimized. A checkpoint that cannot be shown is skipped.
        """
        if not source.diffbmp.fit.live:
            self.end()
            return
        try:
            if self._steps is None and not self._begin(source, folder):
                return
            self._work()
        except (UserError, OSError, ReferenceError, RuntimeError, TypeError, ValueError, AttributeError, KeyError):
            # The checkpoint is being replaced, or the artist has changed the scene or edits it.
            self._steps = None

    def forget(self) -> None:
        """Drops the current checkpoint: undo and redo replace all data that its steps hold."""
        self._steps = None

    def end(self) -> None:
        """Removes the live scene, if there is one; windows that show it return to the source."""
        self._steps, self._seen, self._was_shown = None, 0, False
        while scene := live_scene():
            back = stored_scene(scene, LIVE) or next((other for other in bpy.data.scenes if other != scene), None)
            if back is None:  # Blender keeps its last scene
                del scene[LIVE]
                return
            for window in bpy.context.window_manager.windows:
                if window.scene == scene:
                    show_scene_in(window, back)
            dismantle(scene)

    def _begin(self, source: bpy.types.Scene, folder: Path) -> bool:
        written = (folder / "layout.npz").stat().st_mtime_ns
        if written == self._seen and live_scene() is not None:
            return False
        self._seen = written
        self._steps = self._show(source, folder)
        return True

    def _work(self) -> None:
        assert self._steps is not None
        end = monotonic() + STEP_SECONDS
        while monotonic() < end:
            try:
                next(self._steps)
            except StopIteration:
                self._steps = None
                return

    def _show(self, source: bpy.types.Scene, folder: Path) -> Iterator[None]:
        layout = Layout.load(folder)
        if len(layout.frames) > 1 or layout.count > MAX_COUNT:
            return
        yield
        scene = live_scene()
        if scene is None:
            scene = make_scene(layout, NAME, source.diffbmp.build.samples)
            scene[LIVE] = source
            yield
        parts = _parts(scene)
        if parts is None or len(parts.cache.data.vertices) != layout.count:
            parts = _new_parts(scene, layout)
            yield
        stamps = parts.stamps
        known = {item.data[LEVEL][0]: index for index, item in enumerate(stamps.objects)}
        pictures = LevelPictures(layout, folder)
        for level in _finest(layout):
            if level[0] not in known:
                known[level[0]] = len(known)
                mesh = make_mesh(layout, level, pictures)
                stamps.objects.link(bpy.data.objects.new(f"{known[level[0]]:06d} {mesh.name}", mesh))
                yield
        _update(parts, layout, known)
        if not self._was_shown and bpy.context.window:
            self._was_shown = True
            show_scene_in(bpy.context.window, scene)


LIVE_PLANES = LivePlanes()


@dataclass
class _Parts:
    """Parts of a live scene: an object with a point per primitive, their transforms, a collection of stamps."""

    shown: bpy.types.Object
    cache: bpy.types.Object
    stamps: bpy.types.Collection


def _parts(scene: bpy.types.Scene) -> _Parts | None:
    """The parts of a live scene; None where one is missing or was changed."""
    shown = dense_object(scene)
    modifier = shown.modifiers.get(MODIFIER) if shown else None
    if shown is None or modifier is None or modifier.node_group is None:
        return None
    nodes = modifier.node_group.nodes
    values = [nodes[name].inputs[socket].default_value for name, socket in SOURCES if name in nodes]
    return _Parts(shown, *values) if len(values) == len(SOURCES) and all(values) else None


def _new_parts(scene: bpy.types.Scene, layout: Layout) -> _Parts:
    """Makes the parts for a layout, without stamps yet. Removes what the scene has shown before."""
    remove_unused(take_out(scene, scene.collection))
    stamps, collection = (bpy.data.collections.new(name) for name in (f"{NAME} stamps", NAME))
    stamps[MADE] = collection[MADE] = True
    cache = make_cache(f"{NAME} cache", transforms(layout))
    mesh = bpy.data.meshes.new(NAME)
    fill_points(mesh, np.zeros((layout.count, 3)), np.arange(layout.count), np.zeros(layout.count))
    shown = bpy.data.objects.new(NAME, mesh)
    shown.modifiers.new(MODIFIER, "NODES").node_group = make_tree(NAME, cache, stamps, *layout.opacity.shape)
    collection.objects.link(shown)
    scene.collection.children.link(collection)
    return _Parts(shown, cache, stamps)


def _finest(layout: Layout) -> list[Level]:
    """The sharpest level of each stamp that is used: one is enough for a preview."""
    finest: dict[int, Level] = {}
    for level in sorted(set(levels_of(layout)), key=lambda level: level[1] + level[2]):
        finest.setdefault(level[0], level)
    return list(finest.values())


def _update(parts: _Parts, layout: Layout, known: dict[int, int]) -> None:
    """Shows a layout. known: index of the stamps' object for each template."""
    numbers: NDArray[np.int32] = np.array([known[template] for template in layout.template.tolist()], np.int32)
    set_cache(parts.cache.data, transforms(layout))
    parts.shown.data.attributes[STAMP].data.foreach_set("value", numbers)
    parts.shown.data.update()


class DIFFBMP_OT_remove_live(Reports):
    bl_idname = "diffbmp.remove_live"
    bl_label = "Remove"
    bl_description = "Remove this scene, which showed an optimization while it ran"
    bl_options = {"UNDO"}

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "No scene shows an optimization" if live_scene() is None else ""

    def execute(self, context: bpy.types.Context) -> set[str]:
        LIVE_PLANES.end()
        return {"FINISHED"}


register, _unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_remove_live,))


def unregister() -> None:
    LIVE_PLANES.end()
    _unregister()
