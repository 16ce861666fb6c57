"""What operators tell: why they cannot be pressed, and how they went."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from ...backend.job import UserError
from .notice import NOTICE


class Reports(bpy.types.Operator):
    """An operator that says why it cannot be pressed, and how it went: in the panel and in Blender's report."""

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        """Why it cannot be pressed now, "" if it can."""
        return ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = cls.why_not(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def run(self, act: Callable[[], str]) -> set[str]:
        """Does it, and tells what it returns, or what went wrong."""
        try:
            return self.succeed(act())
        except UserError as error:
            return self.fail(error)

    def succeed(self, message: str) -> set[str]:
        NOTICE.tell(message)
        self.report({"INFO"}, message)
        return {"FINISHED"}

    def fail(self, error: UserError) -> set[str]:
        NOTICE.fail(error)
        self.report({"ERROR"}, error.message)
        return {"CANCELLED"}
