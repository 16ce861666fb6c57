# mypy: disable-error-code="valid-type"
"""The add-on's preferences: the backend's environment."""

import sys

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..backend.job import UserError
from ..operators.environment import environment_folder
from ..operators.folders import ADD_ON
from ..operators.install import INSTALLING, describe, why_not_install
from ..operators.installation import Installation, state_of
from .text import draw_sentence

LONG_PATH = 80
"""Letters of a folder's path above which Windows may refuse the files in it, whose names are long."""

_DEVICES = (
    ("auto", "Automatic", "The NVIDIA card if there is one, else the processor"),
    ("nvidia", "NVIDIA", "The NVIDIA card: about 3.6 GB to download"),
    ("cpu", "Processor", "The processor alone: about 0.5 GB to download"),
)
_STATES = {
    "none": "The backend is not installed: about 0.5 GB to download, with an NVIDIA card 3.6 GB.",
    "begun": "An installation was not finished: Install goes on from there.",
    "old": "The backend is of an older version of the add-on: Update installs what is new.",
    "whole": "The backend is installed.",
}


class DIFFBMP_preferences(bpy.types.AddonPreferences):
    bl_idname = ADD_ON

    python: StringProperty(
        name="Other Python",
        description="A Python program (3.11 to 3.13) that has PyTorch and the other packages, in place of the "
        "installed environment",
        subtype="FILE_PATH",
    )
    folder: StringProperty(
        name="Folder",
        description="Where the environment is installed; empty = the add-on's own folder, which goes with it when it "
        "is uninstalled. On Windows a short path is best",
        subtype="DIR_PATH",
    )
    device: EnumProperty(
        items=_DEVICES, default="auto", name="Device", description="What the environment can compute on"
    )
    wheels: StringProperty(
        name="Folder of Wheels",
        description="Packages are taken from here, without any network; empty = they are downloaded",
        subtype="DIR_PATH",
    )
    index: StringProperty(
        name="Package Index",
        description="Address of an index in place of the public ones of Python and PyTorch, such as a studio's own",
    )
    advanced: BoolProperty(name="Advanced", description="Show where packages come from, and where they go")
    verdict: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    works: BoolProperty(options={"HIDDEN", "SKIP_SAVE"})

    def draw(self, context: bpy.types.Context) -> None:
        layout, width = self.layout, context.region.width
        if INSTALLING.task:
            _draw_installation(layout, INSTALLING.task)
            return
        state = _state()
        if not self.python:
            draw_sentence(layout, _STATES.get(state, state), "CHECKMARK" if state == "whole" else "INFO", width)
        row = layout.row()
        row.scale_y = 1.3
        again = {"old": "Update", "whole": "Install Again"}
        row.operator("diffbmp.install_backend", icon="IMPORT", text=again.get(state, "Install"))
        row.operator("diffbmp.verify_backend", icon="CHECKMARK")
        row.operator("diffbmp.remove_backend", icon="TRASH")
        if not bpy.app.online_access and not self.wheels and state != "whole":
            draw_sentence(layout, why_not_install(), "ERROR", width)
            layout.operator("extensions.userpref_allow_online", text="Allow Online Access", icon="INTERNET")
        if self.verdict:
            draw_sentence(layout, self.verdict, "INFO" if self.works else "ERROR", width)
        layout.prop(self, "advanced", icon="TRIA_DOWN" if self.advanced else "TRIA_RIGHT", emboss=False)
        if self.advanced:
            self._draw_advanced(layout, width)

    def _draw_advanced(self, layout: bpy.types.UILayout, width: float) -> None:
        column = layout.column()
        column.use_property_split = True
        column.prop(self, "device")
        column.prop(self, "folder", placeholder="The add-on's own")
        if sys.platform == "win32" and len(_folder()) > LONG_PATH:
            draw_sentence(column, "The folder's path is long: choose a shorter one, such as C:/diffbmp", "ERROR", width)
        column.prop(self, "wheels", placeholder="None: packages are downloaded")
        column.prop(self, "index", placeholder="The public ones")
        column.prop(self, "python", placeholder="None: the installed environment is used")


def _folder() -> str:
    try:
        return str(environment_folder())
    except UserError:
        return ""


def _state() -> str:
    """Of the environment, or why there can be none."""
    try:
        return state_of(environment_folder())
    except UserError as error:
        return error.message


def _draw_installation(layout: bpy.types.UILayout, task: Installation) -> None:
    layout.progress(factor=task.share, text=describe(task))
    if task.plan:
        layout.label(text=task.plan.why)
    column = layout.column(align=True)
    column.scale_y = 0.7
    for line in list(task.tail):
        column.label(text=line[:120])
    layout.operator("diffbmp.cancel_install", icon="CANCEL")


def register() -> None:
    bpy.utils.register_class(DIFFBMP_preferences)


def unregister() -> None:
    bpy.utils.unregister_class(DIFFBMP_preferences)
