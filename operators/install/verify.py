"""Verify: runs the backend's own check with the Python of the preferences, and says how it went."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic

import bpy

from ...backend.job import UserError
from ..blender.folders import user_folder
from ..process.worker import last_line, start_process
from ..session.slots import Slot
from ..session.watching import Watching
from .environment import backend_call, backend_python, tell_verdict
from .packages import has_nvidia_driver
from .verdict import judge

TIMEOUT_SECONDS = 120.0


class Check:
    """A running `python -m backend doctor --json`. Raises UserError where it cannot start."""

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        self._process = start_process(command, log)
        self._give_up = monotonic() + TIMEOUT_SECONDS
        self._late = False
        self._output = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def active(self) -> bool:
        return self._reader.is_alive()

    def update(self) -> bool:
        if self.active and monotonic() > self._give_up:
            self._late = True
            self._process.kill()
        return False

    def stop(self) -> None:
        self._process.kill()
        self._reader.join()

    def verdict(self) -> tuple[bool, str]:
        """Once it is not active: whether the backend works, and a sentence that says so."""
        if self._late:
            return False, f"The backend did not answer within {TIMEOUT_SECONDS:.0f} s"
        reason = last_line(self._log) or f"exit code {self._process.returncode}"
        verdict = judge(self._output, reason, has_nvidia_driver())
        return verdict.works, verdict.sentence

    def _read(self) -> None:
        self._output, _ = self._process.communicate()


class DIFFBMP_OT_verify_backend(Watching, bpy.types.Operator):
    bl_idname = "diffbmp.verify_backend"
    bl_label = "Verify"
    bl_description = "Check that the backend runs with this Python, and that its engines compute what they should"

    slot = Slot()

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = "The check is running" if cls.slot.task else ""
        try:
            backend_python()
        except UserError as error:
            reason = reason or error.message
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            check = Check(backend_call("doctor", "--json"), user_folder("logs") / "verify.log")
        except UserError as error:
            self._say(False, error.message)
            return {"CANCELLED"}
        self._say(True, "Checking ...")
        return self.watch(context, check)

    def dropped(self, task: Check) -> None:
        tell_verdict(False, "The check was ended with its window: verify again")

    def finish(self, task: Check) -> set[str]:
        self._say(*task.verdict())
        return {"FINISHED"}

    def _say(self, works: bool, message: str) -> None:
        tell_verdict(works, message)
        self.report({"INFO" if works else "ERROR"}, message)


register, _unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_verify_backend,))


def unregister() -> None:
    DIFFBMP_OT_verify_backend.slot.clear()
    _unregister()
