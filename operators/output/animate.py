"""Animate: a layout becomes a clip by the backend's command line, as a growth or as a transition to another layout."""

from pathlib import Path

import bpy
from bpy.props import EnumProperty, StringProperty

from ...backend.job import UserError
from ..blender.folders import new_job_folder
from ..install.environment import backend_call
from ..process.single_run import SingleRun
from ..result.build import NO_LAYOUT
from ..session.notice import NOTICE
from ..session.reports import Reports
from ..session.slots import Slot
from ..session.watching import Watching
from ..settings.fields import with_settings

_KINDS = (
    ("growth", "Growth", "The picture appears stamp by stamp"),
    ("transition", "Transition", "The stamps move from this picture to another"),
    ("recording", "Recording", "How the fit found the picture: set Record, in the panel Advanced, before Optimize"),
)
_NO_OTHER = "Choose the folder of the layout that the stamps move to"


@with_settings("animate")
class DIFFBMP_PG_animate(bpy.types.PropertyGroup):
    kind: EnumProperty(items=_KINDS, default="growth", name="Animation", description="How the result begins to move")
    other: StringProperty(
        name="To", description="Folder of the layout that the stamps move to: of the same size", subtype="DIR_PATH"
    )
    source: StringProperty(name="Still Layout", description="What the latest animation was made of", subtype="DIR_PATH")
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
    """What the backend is told, to make of the scene's layout the animation that is asked for, in the folder `out`.

    Raises UserError where a layout is missing.
    """
    settings = scene.diffbmp.animate
    layouts = [_layout(_still(scene), NO_LAYOUT)]
    if settings.kind == "transition":
        layouts.append(_layout(settings.other, _NO_OTHER))
    more = ["--order", settings.order] if settings.kind == "growth" else ["--hold", str(settings.hold)]
    numbers = ["--frames", str(settings.frames), "--easing", settings.easing, *more]
    return ["animate", settings.kind, *map(str, layouts), "--out", str(out), *numbers]


def _still(scene: bpy.types.Scene) -> str:
    """The scene's layout; where that is the latest animation itself, what it was made of."""
    chosen, settings = scene.diffbmp.build.layout, scene.diffbmp.animate
    return settings.source if chosen and chosen == settings.made else chosen


def _layout(path: str, missing: str) -> Path:
    if not path:
        raise UserError(missing)
    folder = Path(bpy.path.abspath(path)).absolute()
    if not (folder / "layout.json").is_file():
        raise UserError(f"{folder} holds no layout: choose another folder")
    return folder


class DIFFBMP_OT_animate(Watching, Reports):
    bl_idname = "diffbmp.animate"
    bl_label = "Animate"
    bl_description = "Make an animation of the layout, which Build then builds. The layout itself stays as it is"
    bl_options = {"UNDO"}

    slot = Slot()

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        settings = context.scene.diffbmp
        if cls.slot.task:
            return "An animation is being made already"
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
        scene = self.slot.owner
        try:
            task.check()
        except UserError as error:
            return self.fail(error)
        if scene:
            settings = scene.diffbmp.animate
            settings.source, settings.made = _still(scene), str(task.out)
            scene.diffbmp.build.layout = settings.made
        return self.succeed("The animation is ready: build it")


register, _unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_animate, DIFFBMP_OT_animate))


def unregister() -> None:
    DIFFBMP_OT_animate.slot.clear()
    _unregister()
