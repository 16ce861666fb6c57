# mypy: disable-error-code="valid-type"
"""Install, Cancel and Remove: the backend's own environment, from the preferences."""

import sys
from pathlib import Path
from time import monotonic

import bpy

from ..backend.job import UserError
from .environment import environment_folder, preferences
from .folders import user_folder
from .installation import Installation, remove_environment, state_of
from .packages import Plan, nvidia_card, plan
from .session import Slot, Watching, redraw

PRINT_SECONDS = 2.0
INSTALLING = Slot()


def why_not_install() -> str:
    """Why nothing can be installed now, "" if it can."""
    if INSTALLING.task:
        return "The backend is being installed already"
    chosen = preferences()
    if not bpy.app.online_access and not (chosen and chosen.wheels):
        return "Online access is disabled: allow it in Preferences > System > Network, or choose a folder of wheels"
    return ""


def start_installation() -> Installation:
    """Begins to make the environment that the preferences ask for. Raises UserError where it cannot begin."""
    chosen = preferences()
    device = chosen.device if chosen else "auto"
    index = chosen.index.strip() if chosen else ""
    wheels = Path(bpy.path.abspath(chosen.wheels)).absolute() if chosen and chosen.wheels else None

    def planned() -> Plan:
        return plan(device, None if device == "cpu" else nvidia_card(), index, wheels)

    return Installation(environment_folder(), user_folder("logs") / "install.log", user_folder("pycache"), planned)


class DIFFBMP_OT_install_backend(Watching, bpy.types.Operator):
    bl_idname = "diffbmp.install_backend"
    bl_label = "Install"
    bl_description = (
        "Make an environment for the backend: PyTorch and what else it needs. Blender itself stays as it is"
    )

    slot = INSTALLING
    _next_line = 0.0

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = why_not_install()
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            installation = start_installation()
        except UserError as error:
            return self._end_with(False, error.message)
        _say(True, "")
        return self.watch(context, installation)

    def show(self, task: Installation) -> None:
        if monotonic() < self._next_line:
            return
        self._next_line = monotonic() + PRINT_SECONDS
        sys.stdout.write(f"DiffBMP: {describe(task)}\n")
        sys.stdout.flush()

    def finish(self, task: Installation) -> set[str]:
        if task.failure:
            return self._end_with(task.cancelled, task.failure.message)
        return self._end_with(True, task.verdict)

    def _end_with(self, works: bool, message: str) -> set[str]:
        _say(works, message)
        self.report({"INFO" if works else "ERROR"}, message)
        return {"FINISHED" if works else "CANCELLED"}


class DIFFBMP_OT_cancel_install(bpy.types.Operator):
    bl_idname = "diffbmp.cancel_install"
    bl_label = "Cancel"
    bl_description = "Stop the installation. What has been downloaded is kept: Install goes on from there"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if INSTALLING.task is None:
            cls.poll_message_set("Nothing is being installed")
        return INSTALLING.task is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        if INSTALLING.task is not None:
            INSTALLING.task.stop()
        redraw()
        return {"FINISHED"}


class DIFFBMP_OT_remove_backend(bpy.types.Operator):
    bl_idname = "diffbmp.remove_backend"
    bl_label = "Remove"
    bl_description = "Delete the backend's environment, which frees its space; it can be installed again"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = "The backend is being installed" if INSTALLING.task else ""
        try:
            if not reason and state_of(environment_folder()) == "none":
                reason = "No environment is installed"
        except UserError as error:
            reason = error.message
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            folder = environment_folder()
            remove_environment(folder)
        except UserError as error:
            _say(False, error.message)
            self.report({"ERROR"}, error.message)
            return {"CANCELLED"}
        _say(True, "The backend was removed")
        self.report({"INFO"}, "The backend was removed")
        return {"FINISHED"}


def describe(task: Installation) -> str:
    """One line: what is done, and how far it is."""
    size = f", {task.megabytes:,.0f} of about {task.plan.disk:,} MB" if task.plan else ""
    return f"{task.step}{size}"


def _say(works: bool, message: str) -> None:
    chosen = preferences()
    if chosen:
        chosen.verdict, chosen.works = message, works
    redraw()


_CLASSES = (DIFFBMP_OT_install_backend, DIFFBMP_OT_cancel_install, DIFFBMP_OT_remove_backend)


def register() -> None:
    for item in _CLASSES:
        bpy.utils.register_class(item)


def unregister() -> None:
    INSTALLING.clear()
    for item in reversed(_CLASSES):
        bpy.utils.unregister_class(item)
