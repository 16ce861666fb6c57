"""Watches which files this process touches, by an audit hook."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = {
    "os.mkdir": (0,),
    "os.rename": (0, 1),
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.link": (0, 1),
    "os.truncate": (0,),
    "os.chmod": (0,),
}
"""Events of what changes the disk, and which of their arguments are paths."""


class Guard:
    """Takes note of what is changed outside of some folders, and of what is read in another."""

    def __init__(self) -> None:
        self._inside: tuple[str, ...] | None = None
        self._secret, self._found = "", list[str]()
        sys.addaudithook(self._hear)

    @contextmanager
    def watching(self, inside: tuple[str, ...], secret: str) -> Iterator[list[str]]:
        """Yields a list that gets a sentence about each change outside of the folders `inside`.

        secret: a folder from which nothing may be read, "" = none.
        """
        self._secret, self._found = secret, []
        self._inside = inside
        try:
            yield self._found
        finally:
            self._inside = None

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._inside is None:
            return
        if event == "open":
            path, _, flags = arguments
            writes = bool(flags & _WRITES)
            if isinstance(path, (str, bytes, os.PathLike)) and (writes or self._secret):
                self._judge("writes" if writes else "reads", path, self._inside)
        elif event in _CHANGES:
            if event == "os.mkdir" and os.path.isdir(arguments[0]):  # it stays as it is
                return
            for number in _CHANGES[event]:
                self._judge(event, arguments[number], self._inside)

    def _judge(self, what: str, given: Any, inside: tuple[str, ...]) -> None:
        if isinstance(given, int) or given is None:
            return
        text = os.fsdecode(given)
        if not os.path.isabs(text) or "\0" in text:  # within a folder that was opened, or refused by the system
            return
        path = os.path.join(os.path.realpath(os.path.dirname(text)), os.path.basename(text))
        if what == "reads":
            if self._secret and f"{os.path.realpath(text)}{os.sep}".startswith(f"{self._secret}{os.sep}"):
                self._found.append(f"reads {path}")
        elif not f"{path}{os.sep}".startswith(("/dev/", "/proc/", *inside)):
            self._found.append(f"{what} {path}")
