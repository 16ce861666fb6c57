"""Messages of operators: why they are disabled, and how they ended."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from ...backend.job import UserError
from .notice import NOTICE


class Reports(bpy.types.Operator):
    """An operator that says why it is disabled, and how it ended: in the panel and in Blender's reports."""

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        """Says why it is disabled now, "" if it is not."""
        return ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        reason = cls.why_not(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def run(self, act: Callable[[], str]) -> set[str]:
        """Calls `act`, and reports the sentence that it returns, or its UserError."""
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
