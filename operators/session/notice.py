"""The latest message for the user."""

from __future__ import annotations

from dataclasses import dataclass

from ...backend.job import UserError
from .screen import redraw


@dataclass
class Notice:
    """A sentence at the end of the panel."""

    text: str = ""
    is_error: bool = False
    action: str = ""  # what helps: see UserError

    def tell(self, text: str, is_error: bool = False, action: str = "") -> None:
        self.text, self.is_error, self.action = text, is_error, action
        redraw()

    def fail(self, error: UserError) -> None:
        self.tell(error.message, is_error=True, action=error.action)


NOTICE = Notice()
