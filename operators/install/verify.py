"""Verify: runs the backend's own check with the Python of the preferences, and reports its result."""

from __future__ import annotations

import bpy

from ...backend.job import UserError
from ..blender.folders import user_folder
from ..process.single_run import SingleRun
from ..session.reports import Reports
from ..session.slots import Slot
from ..session.watching import Watching
from .environment import backend_call, tell_verdict, why_no_backend
from .packages import has_nvidia_driver
from .verdict import judge

TIMEOUT_SECONDS = 120.0


def verdict_of(check: SingleRun) -> tuple[bool, str]:
    """Returns whether the backend works, and a sentence about it. check: has ended."""
    if check.late:
        return False, f"The backend did not answer within {TIMEOUT_SECONDS:.0f} s"
    verdict = judge(check.output, check.reason, has_nvidia_driver())
    return verdict.works, verdict.sentence


class DIFFBMP_OT_verify_backend(Watching, Reports):
    bl_idname = "diffbmp.verify_backend"
    bl_label = "Verify"
    bl_description = "Check that the backend runs with this Python, and that its engines compute correctly"

    slot = Slot()

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "The check is running" if cls.slot.task else why_no_backend()

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            check = SingleRun(backend_call("doctor", "--json"), user_folder("logs") / "verify.log", TIMEOUT_SECONDS)
        except UserError as error:
            self._say(False, error.message)
            return {"CANCELLED"}
        self._say(True, "Checking ...")
        return self.watch(context, check)

    def dropped(self, task: SingleRun) -> None:
        tell_verdict(False, "The check ended because its window was closed: verify again")

    def finish(self, task: SingleRun) -> set[str]:
        self._say(*verdict_of(task))
        return {"FINISHED"}

    def _say(self, works: bool, message: str) -> None:
        tell_verdict(works, message)
        self.report({"INFO" if works else "ERROR"}, message)


register, _unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_verify_backend,))


def unregister() -> None:
    DIFFBMP_OT_verify_backend.slot.clear()
    _unregister()
