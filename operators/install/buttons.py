"""Buttons that install and remove the backend's own environment."""

import sys
import threading
from pathlib import Path
from time import sleep
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ...backend.job import Action, UserError
from ..blender.folders import user_folder
from ..process.warm_worker import WARM
from ..session.notice import NOTICE
from ..session.reports import Reports
from ..session.screen import redraw
from ..session.slots import INSTALL, RUN
from ..session.watching import TIMER_SECONDS
from .env_folder import BackendFolder
from .environment import own_folder, preferences, tell_verdict
from .installation import Installation
from .packages import Plan, checked_index

DEVICE_ITEMS = (
    ("auto", "Automatic", "PyTorch for the NVIDIA card if its driver suits, otherwise for the CPU"),
    ("nvidia", "NVIDIA", "PyTorch for an NVIDIA card, about 3 GB to download; fails without one"),
    ("cpu", "CPU", "PyTorch for the CPU, about 0.4 GB to download"),
)

OFFLINE = (
    "Blender is not allowed to go online: allow it in the preferences under System, or choose a folder of wheels here"
)


class Removal:
    """Deletes an environment in a thread: it has tens of thousands of files."""

    def __init__(self, folder: BackendFolder) -> None:
        self.works = False
        self.message = ""
        self.action = ""
        self._folder = folder
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def active(self) -> bool:
        return self._thread.is_alive()

    def update(self) -> bool:
        return False

    def stop(self) -> None:
        self._thread.join(1.0)

    def _run(self) -> None:
        try:
            self._folder.remove()
            self.works, self.message = True, "What was installed is removed"
        except UserError as error:
            self.message, self.action = error.message, error.action


def install_log(create: bool = True) -> Path:
    """Returns the log file of the last installation. Raises UserError as user_folder does."""
    return user_folder("logs", create) / "install.log"


def why_not_change() -> str:
    """Says why the environment cannot be installed or removed now, "" if it can."""
    if INSTALL.task is not None:
        return "An installation is running"
    if RUN.task is not None:
        return "An optimization is running: wait until it ends, or cancel it"
    return ""


def make_plan(
    wheels: str = "",
    folder: str = "",
    python: str = "",
    device: str = "preferences",
    index: str = "",
    newest: bool = False,
) -> Plan:
    """Returns what to install: as set in the preferences, except for what is given here.

    Raises UserError where Blender is not allowed to go online and there is no folder of wheels, and as checked_index
    does.
    """
    chosen = preferences()
    if chosen:
        wheels, index = wheels or chosen.wheels, index or chosen.index
        newest = newest or chosen.newest
    if device == "preferences":
        device = chosen.device if chosen else "auto"
    if not wheels and not bpy.app.online_access:
        raise UserError(OFFLINE, Action.ALLOW_ONLINE)
    return Plan(
        BackendFolder(Path(bpy.path.abspath(folder))) if folder else own_folder(),
        install_log(),
        user_folder("pycache"),
        Path(bpy.path.abspath(wheels)) if wheels else None,
        "" if wheels else checked_index(index),
        bpy.path.abspath(python) if python else "",
        device,
        newest,
    )


def _watch(operator: bpy.types.Operator, task: Any) -> set[str]:
    """Watches a task until it ends; waits for it in background mode, where Blender's timers do not run."""
    INSTALL.task = task
    if not bpy.app.background:
        bpy.app.timers.register(_tick, first_interval=TIMER_SECONDS, persistent=True)
        redraw()
        return {"FINISHED"}
    try:
        step = ""
        while task.active:
            sleep(TIMER_SECONDS)
            if task.update() and task.state.step != step:
                step = task.state.step
                sys.stdout.write(f"DiffBMP: {task.state.text}\n")
                sys.stdout.flush()
        _tell(task)
    finally:
        INSTALL.clear()
    operator.report({"INFO" if task.works else "ERROR"}, task.message)
    return {"FINISHED" if task.works else "CANCELLED"}


def _tick() -> float | None:
    task = INSTALL.task
    if task is None:  # cleared by unregister()
        return None
    if task.update():
        redraw()
    if task.active:
        return TIMER_SECONDS
    _tell(task)
    INSTALL.clear()
    return None


def _tell(task: Any) -> None:
    WARM.clear()  # it may be of another Python now
    tell_verdict(task.works, task.message)
    NOTICE.tell(task.message, not task.works, task.action)


class DIFFBMP_OT_install_backend(Reports):
    bl_idname = "diffbmp.install_backend"
    bl_label = "Install"
    bl_description = (
        "Install what graphics cards, movies, PSD files and some losses need, in an environment of its own, and check "
        "it. A cancelled installation is resumed"
    )

    wheels: StringProperty(
        name="Wheel Folder", description="Folder of wheels to install without a network; empty = as in the preferences"
    )
    folder: StringProperty(
        name="Folder", description="Folder of the environment, to be set in the preferences; empty = as set there"
    )
    python: StringProperty(name="Python", description="Python that makes the environment; empty = find one")
    device: EnumProperty(
        items=(("preferences", "As in the Preferences", "Use the device that is set there"), *DEVICE_ITEMS),
        name="Device",
        description="Device that PyTorch is installed for",
    )
    index: StringProperty(name="Package Index", description="Address of a package index; empty = as in the preferences")
    newest: BoolProperty(
        name="Newest Versions",
        description="Install the newest versions, which were not tested; off = as in the preferences",
    )

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        chosen = preferences()
        may = bpy.app.background or bpy.app.online_access or (chosen and chosen.wheels)
        return why_not_change() or ("" if may else OFFLINE)

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            plan = make_plan(self.wheels, self.folder, self.python, self.device, self.index, self.newest)
        except UserError as error:
            tell_verdict(False, error.message)
            return self.fail(error)
        chosen = preferences()
        if chosen and self.folder:
            chosen.folder = self.folder
        tell_verdict(True, "")
        WARM.clear()  # it holds files of the environment
        return _watch(self, Installation(plan))


class DIFFBMP_OT_cancel_install(Reports):
    bl_idname = "diffbmp.cancel_install"
    bl_label = "Cancel"
    bl_description = "Stop the installation. Install resumes it later"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "" if isinstance(INSTALL.task, Installation) else "No installation is running"

    def execute(self, context: bpy.types.Context) -> set[str]:
        INSTALL.task.cancel()
        return {"FINISHED"}


class DIFFBMP_OT_remove_backend(Reports):
    bl_idname = "diffbmp.remove_backend"
    bl_label = "Remove"
    bl_description = (
        "Delete what Install has installed, and nothing else in its folder. Blender's own Python is used then"
    )

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        missing = "The add-on has no environment to remove" if own_folder().marker is None else ""
        return why_not_change() or missing

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(
            self,
            event,
            title="Remove What Is Installed",
            message=f"{own_folder().path} is deleted",
            confirm_text="Remove",
        )

    def execute(self, context: bpy.types.Context) -> set[str]:
        tell_verdict(True, "")
        WARM.clear()  # it holds files of the environment
        return _watch(self, Removal(own_folder()))


class DIFFBMP_OT_show_install_log(Reports):
    bl_idname = "diffbmp.show_install_log"
    bl_label = "Show Log"
    bl_description = "Open the log of the last installation in the system's text viewer"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "" if install_log(create=False).is_file() else "Nothing was installed yet"

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            return bpy.ops.wm.path_open(filepath=str(install_log()))
        except RuntimeError:
            return self.fail(UserError(f"No program opens {install_log()}: open it with a text editor"))


register, _unregister = bpy.utils.register_classes_factory(
    (DIFFBMP_OT_install_backend, DIFFBMP_OT_cancel_install, DIFFBMP_OT_remove_backend, DIFFBMP_OT_show_install_log)
)


def unregister() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    INSTALL.clear()
    _unregister()
