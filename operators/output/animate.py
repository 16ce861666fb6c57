"""Animate: makes a clip of a layout, through the backend's command line."""

from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from ...backend.job import UserError
from ..blender.folders import new_job_folder
from ..install.environment import backend_call
from ..process.single_run import SingleRun
from ..result.build import NO_LAYOUT, layout_folder
from ..session.notice import NOTICE
from ..session.reports import Reports
from ..session.slots import Slot
from ..session.watching import Watching
from ..settings.fields import with_settings

_KINDS = (
    ("growth", "Growth", "The picture appears stamp by stamp"),
    ("transition", "Transition", "The stamps move from this picture to another"),
    ("recording", "Recording", "How the fit found the picture: set Record in the Advanced panel before Optimize"),
)
_NO_OTHER = "Choose the folder of the layout that the stamps move to"


@with_settings("animate")
class DIFFBMP_PG_animate(bpy.types.PropertyGroup):
    kind: EnumProperty(items=_KINDS, default="growth", name="Animation", description="Choose how the picture moves")
    other: StringProperty(
        name="To", description="Choose the folder of a layout of the same size to move to", subtype="DIR_PATH"
    )
    source: StringProperty(
        name="Still Layout", description="Folder of the layout behind the latest animation", subtype="DIR_PATH"
    )
    made: StringProperty(name="Latest Animation", description="Folder of its layout", subtype="DIR_PATH")


class Making(SingleRun):
    """A running `python -m backend animate`. Raises UserError where it cannot start."""

    def __init__(self, command: list[str], out: Path) -> None:
        super().__init__(command, out.parent / "animate.log")
        self.out = out

    def check(self) -> None:
        """Raises UserError with what the backend said, unless it left a layout."""
        if self.failed or not (self.out / "layout.json").is_file():
            raise UserError(f"The animation could not be made: {self.reason}")


def animate_arguments(scene: bpy.types.Scene, out: Path) -> list[str]:
    """Returns the backend's arguments for a scene's animation in the folder `out`.

    Raises UserError where a layout is missing.
    """
    settings = scene.diffbmp.animate
    layouts = [layout_folder(_still(scene))]
    if settings.kind == "transition":
        layouts.append(layout_folder(settings.other, _NO_OTHER))
    more = ["--order", settings.order] if settings.kind == "growth" else ["--hold", str(settings.hold)]
    numbers = ["--frames", str(settings.frames), "--easing", settings.easing, *more]
    return ["animate", settings.kind, *map(str, layouts), "--out", str(out), *numbers]


def _still(scene: bpy.types.Scene) -> str:
    """Returns the scene's layout, or what it was made of where that is the latest animation."""
    chosen, settings = scene.diffbmp.build.layout, scene.diffbmp.animate
    return settings.source if chosen and chosen == settings.made else chosen


class DIFFBMP_OT_animate(Watching, Reports):
    bl_idname = "diffbmp.animate"
    bl_label = "Animate"
    bl_description = "Make an animation of the layout, for Build. The layout itself stays unchanged"
    bl_options = {"UNDO"}

    slot = Slot()

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        settings = context.scene.diffbmp
        if cls.slot.task:
            return "An animation is already being made"
        if not settings.build.layout:
            return NO_LAYOUT
        if settings.animate.kind == "transition" and not settings.animate.other:
            return _NO_OTHER
        return ""

    def execute(self, context: bpy.types.Context) -> set[str]:
        scene = context.scene
        try:
            folder = new_job_folder(scene.diffbmp.animate.kind)
            making = Making(backend_call(*animate_arguments(scene, folder / "result")), folder / "result")
        except UserError as error:
            return self.fail(error)
        NOTICE.tell("Making the animation ...")
        return self.watch(context, making)

    def finish(self, task: Making) -> set[str]:
        return self.run(lambda: self._take(task))

    def _take(self, task: Making) -> str:
        task.check()
        if scene := self.slot.owner:
            settings = scene.diffbmp.animate
            settings.source, settings.made = _still(scene), str(task.out)
            scene.diffbmp.build.layout = settings.made
        return "The animation is ready: build it"


register, _unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_animate, DIFFBMP_OT_animate))


def unregister() -> None:
    DIFFBMP_OT_animate.slot.clear()
    _unregister()
