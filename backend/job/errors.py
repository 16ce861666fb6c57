"""Errors that the user can fix."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path


class Action(StrEnum):
    """A step that fixes an error: the add-on has a button for each."""

    INSTALL = "install"
    USE_CPU = "use_cpu"
    HALVE_SIZE = "halve_size"
    ALLOW_ONLINE = "allow_online"
    SHOW_LOG = "show_log"


class UserError(Exception):
    """An error that the user can fix.

    message: one sentence that names what is wrong and what to do.
    action: an Action, "" = none. A newer backend may send one that is unknown here.
    """

    def __init__(self, message: str, action: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.action = action


SHOWN = 80
"""Greatest length of a value in a message, letters."""


def quoted(value: object) -> str:
    """Returns a value as Python writes it, cut in the middle where it is longer than SHOWN letters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more digits than Python writes; nested too deeply
        return f"a {type(value).__name__} that is too large"
    half = SHOWN // 2 - 2
    return text if len(text) <= SHOWN else f"{text[:half]} ... {text[-half:]}"


def cannot_write(path: Path | str, error: OSError | None = None, instead: str = "choose another place") -> UserError:
    """Returns the error for what cannot be written to. error: the system's reason. instead: what else to do."""
    reason = f" ({error.strerror or error})" if error else ""
    return UserError(f"{path} cannot be written to{reason}: see that there is space and permission, or {instead}")
