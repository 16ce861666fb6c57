"""The sidebar of the 3D view: from the target to the built result."""

from __future__ import annotations

import bpy

from ..backend.job import UserError
from ..operators.environment import backend_python
from ..operators.folders import ADD_ON
from ..operators.optimize import RUN, describe_quality, describe_seconds
from ..operators.run import Run
from ..operators.session import NOTICE
from ..operators.storage import KEY
from .limits import draw_limits, draw_look
from .tab import Sidebar, steering_layout
from .text import draw_sentence


class DIFFBMP_PT_main(Sidebar, bpy.types.Panel):
    bl_label = "DiffBMP"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return KEY not in context.scene

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.diffbmp
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False

        column = layout.column()
        column.enabled = RUN.task is None
        column.template_ID(settings.target, "image", open="image.open", text="Target")
        column.prop(settings.stamps, "collection")
        column.prop(settings.stamps, "mode")
        if settings.stamps.mode in ("mix", "multiply"):
            column.prop(settings.stamps, "blend")
        column.separator()
        for name in ("count", "size", "preset", "steps"):
            column.prop(settings.fit, name)

        if RUN.task is None:
            _draw_start(layout, context)
        else:
            _draw_run(layout, RUN.task)
        if NOTICE.text:
            draw_sentence(layout, NOTICE.text, "ERROR" if NOTICE.is_error else "INFO", context.region.width)


class DIFFBMP_PT_limits(Sidebar, bpy.types.Panel):
    bl_label = "Stamp Limits"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012  Blender's own form

    def draw(self, context: bpy.types.Context) -> None:
        draw_limits(steering_layout(self.layout, context), context.scene.diffbmp.limits)


class DIFFBMP_PT_look(Sidebar, bpy.types.Panel):
    bl_label = "Look"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012  Blender's own form

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.diffbmp
        layout = steering_layout(self.layout, context)
        layout.template_ID(settings.target, "importance", new="image.new", open="image.open", text="Importance")
        draw_look(layout, settings.look, context)


class DIFFBMP_PT_advanced(Sidebar, bpy.types.Panel):
    bl_label = "Advanced"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 2
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012  Blender's own form

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.diffbmp
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.enabled = RUN.task is None
        for name in ("background", "space", "recipe", "seed", "time_limit"):
            layout.prop(settings.fit, name)
        layout.prop(settings.backend, "engine")
        layout.prop(settings.backend, "threads")


class DIFFBMP_PT_result(Sidebar, bpy.types.Panel):
    bl_label = "Result"
    bl_parent_id = "DIFFBMP_PT_main"
    bl_order = 3

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.diffbmp.build
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "layout")
        layout.prop(settings, "samples")
        layout.operator("diffbmp.build", icon="OUTLINER_COLLECTION")
        if settings.scene:
            show = layout.operator("diffbmp.show_scene", text=f"Show {settings.scene.name}", icon="SCENE_DATA")
            show.name = settings.scene.name


class DIFFBMP_PT_built(Sidebar, bpy.types.Panel):
    """In a scene that was built: what it is and where it came from."""

    bl_label = "DiffBMP"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return KEY in context.scene

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.label(text=f"{len(context.scene[KEY]['template']):,} planes, the first in front")
        for source in bpy.data.scenes:
            if source.diffbmp.build.scene == context.scene:
                back = layout.operator("diffbmp.show_scene", text=f"Back to {source.name}", icon="LOOP_BACK")
                back.name = source.name
        if NOTICE.text:
            draw_sentence(layout, NOTICE.text, "ERROR" if NOTICE.is_error else "INFO", context.region.width)


def _draw_start(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    try:
        backend_python()
    except UserError as error:
        draw_sentence(layout, error.message, "ERROR", context.region.width)
        layout.operator("preferences.addon_show", text="Preferences", icon="PREFERENCES").module = ADD_ON
    row = layout.row()
    row.scale_y = 1.5
    row.operator("diffbmp.optimize", icon="PLAY")


def _draw_run(layout: bpy.types.UILayout, run: Run) -> None:
    progress = run.progress
    done, text, quality = 0.0, "Starting ...", " "  # a line without text: what is below must not jump
    if progress:
        done = progress.step / max(1, progress.total)
        text = f"{progress.step} / {progress.total}, {describe_seconds(progress.seconds_left)} left"
        quality = describe_quality(progress)
    if run.state == "cancelling":
        text = "Cancelling ..."
    layout.progress(factor=done, text=text)
    layout.label(text=quality)
    row = layout.row()
    row.scale_y = 1.5
    row.operator("diffbmp.cancel", icon="CANCEL")


_CLASSES = (
    DIFFBMP_PT_main,
    DIFFBMP_PT_limits,
    DIFFBMP_PT_look,
    DIFFBMP_PT_advanced,
    DIFFBMP_PT_result,
    DIFFBMP_PT_built,
)


def register() -> None:
    for item in _CLASSES:
        bpy.utils.register_class(item)


def unregister() -> None:
    for item in reversed(_CLASSES):
        bpy.utils.unregister_class(item)
