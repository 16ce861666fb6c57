"""Errors that the user can fix."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
        self.message = plain(message)
        self.action = action
        super().__init__(self.message)


PACKAGES = {
    "torch": "PyTorch",
    "PIL": "Pillow",
    "av": "PyAV",
    "cv2": "OpenCV",
    "matplotlib": "Matplotlib",
    "psd_tools": "psd-tools",
    "cuda": "CUDA Python",
}
"""The packages besides NumPy: without one, only what needs it does not work. Names that import them, and their own."""


@contextmanager
def packages_named(what: str) -> Iterator[None]:
    """Raises UserError where a package is missing that is imported within. what: what needs it, a plural."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = PACKAGES.get((error.name or "").partition(".")[0])
        if package is None:
            raise
        raise UserError(f"{what} need {package}: press Install in the add-on's preferences", Action.INSTALL) from error


SHOWN = 80
"""Greatest length of a value in a message, letters."""

SHOWN_PATH = 260
"""Greatest length of a word in a message, letters: a path without spaces is whole up to this."""

SHOWN_MESSAGE = 1500
"""Greatest length of a message, letters."""

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_ENDLESS = re.compile(rf"\S{{{SHOWN_PATH + 1},}}")


def plain(text: str) -> str:
    """Returns text as one line that any stream takes: no lone surrogates, no control characters, no endless words."""
    text = _CONTROLS.sub(" ", text.encode("utf-8", "backslashreplace").decode())
    return shortened(_ENDLESS.sub(lambda word: shortened(word[0], SHOWN_PATH), text), SHOWN_MESSAGE)


def shortened(text: str, most: int = SHOWN) -> str:
    """Returns text, cut in its middle where it is longer than `most` letters."""
    half = (most - len(" ... ")) // 2
    return text if len(text) <= most else f"{text[:half]} ... {text[-half:]}"


def quoted(value: object) -> str:
    """Returns a value as Python writes it, cut in the middle where it is longer than SHOWN letters."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more digits than Python writes; nested too deeply
        return f"a {type(value).__name__} that is too large"
    return shortened(text)


def lacking(what: str, packages: Iterable[str]) -> UserError:
    """Returns the error for something that needs missing packages. packages: keys of PACKAGES, one at least."""
    *others, last = (PACKAGES[name] for name in packages)
    named = f"{', '.join(others)} and {last}" if others else last
    return UserError(f"{what} needs {named}: press Install in the add-on's preferences", Action.INSTALL)


def unexpected(error: Exception) -> UserError:
    """Returns what the user is told about any error at all: a UserError is passed on."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, MemoryError):
        return UserError("There is too little memory: close other programs, or ask for less", Action.HALVE_SIZE)
    if isinstance(error, ModuleNotFoundError) and (package := (error.name or "").partition(".")[0]) in PACKAGES:
        return UserError(f"{lacking('This', [package])}, or install it for {sys.executable}", Action.INSTALL)
    # Without the file of an OSError, which may be a temporary one.
    reason = isinstance(error, OSError) and error.strerror
    cause = f"{type(error).__name__}: {shortened(reason or str(error))}"
    return UserError(f"DiffBMP met an error that it does not know ({cause}): report it with its log", Action.SHOW_LOG)


def cannot_write(path: Path | str, error: OSError | None = None, instead: str = "choose another place") -> UserError:
    """Returns the error for what cannot be written to. error: the system's reason. instead: what else to do."""
    reason = f" ({error.strerror or error})" if error else ""
    return UserError(f"{path} cannot be written to{reason}: see that there is space and permission, or {instead}")
