"""Operators that build a layout and show scenes."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...backend.job import UserError
from ..scene.build import build_scene, form_of
from ..scene.instances import dense_object
from ..scene.storage import SOURCE, stored_count
from ..scene.view import show_scene
from ..session.reports import Reports
from ..target.properties import target_name

NO_LAYOUT = "There is no layout yet: optimize first, or choose a layout's folder"


def layout_folder(path: str, missing: str = NO_LAYOUT) -> Path:
    """Returns the absolute folder of a layout. Raises UserError for an empty path or where there is no layout."""
    if not path:
        raise UserError(missing)
    folder = Path(bpy.path.abspath(path)).absolute()
    if not (folder / "layout.json").is_file():
        raise UserError(f"{folder} holds no layout: choose another folder")
    return folder


class DIFFBMP_OT_build(Reports):
    bl_idname = "diffbmp.build"
    bl_label = "Build"
    bl_description = "Show the layout in a scene of its own: as planes, one per stamp, or as instances"
    bl_options = {"UNDO"}

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "" if context.scene.diffbmp.build.layout else NO_LAYOUT

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        result = self.execute(context)
        scene = context.scene.diffbmp.build.scene
        if "FINISHED" in result and scene:
            show_scene(context, scene)
        return result

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.run(lambda: self._build(context))

    def _build(self, context: bpy.types.Context) -> str:
        settings = context.scene.diffbmp
        folder = Path(bpy.path.abspath(settings.build.layout))
        name = target_name(context.scene) or folder.name
        scene = build_scene(folder, name, settings.build.samples, form_of(settings.build))
        settings.build.scene = scene
        scene[SOURCE] = context.scene.name
        # For Rebuild and Continue, which start from the new scene.
        for name in ("form", "tolerance", "spread", "samples"):
            setattr(scene.diffbmp.build, name, getattr(settings.build, name))
        kind = "instances" if dense_object(scene) else "planes"
        return f"Built {stored_count(scene):,} {kind} in the scene {scene.name}"


class DIFFBMP_OT_show_scene(Reports):
    bl_idname = "diffbmp.show_scene"
    bl_label = "Show Scene"
    bl_description = "Show a scene in this window, through its camera"

    name: bpy.props.StringProperty()

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = bpy.data.scenes.get(self.name)
        if scene is None:
            return self.fail(UserError(f"There is no scene {self.name}"))
        show_scene(context, scene)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_build, DIFFBMP_OT_show_scene))
