"""How operators say how they went: in the panel, in Blender's report, and by what they return."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...backend.job import UserError
from .notice import NOTICE


class Reports:
    """An operator that says how it went."""

    if TYPE_CHECKING:

        def report(self, kind: set[str], message: str) -> None:
            """Blender's own."""

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
