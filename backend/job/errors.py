"""The one class of errors that the user can mend."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend.

    message: one sentence that names what is wrong and what to do.
    action: the mending step by name, "" where there is none: "install", "use_cpu", "halve_size", "show_log".
    """

    def __init__(self, message: str, action: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.action = action
