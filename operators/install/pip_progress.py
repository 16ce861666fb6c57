"""What pip says while it installs, as progress."""

from __future__ import annotations

import re

_SIZES = {"bytes": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}


class PipProgress:
    """Counts while it is fed pip's lines.

    done: MB downloaded, those included that were kept from before. step: what it is at, in a few words. packages: how
    many it unpacks, 0 until then.
    """

    def __init__(self) -> None:
        self.step = ""
        self.packages = 0
        self._finished = 0.0
        self._size = 0.0
        self._part = 0.0

    @property
    def done(self) -> float:
        return self._finished + self._part

    def take(self, line: str) -> bool:
        """Reads a line. Returns whether it is worth keeping: counters are not."""
        text = line.strip()
        if raw := re.fullmatch(r"Progress (\d+) of (\d+)", text):
            self._part = int(raw[1]) / 1e6
            return False
        if named := re.match(r"(Downloading|Using cached) (\S+?)\s*\((\d[\d.]*) (bytes|kB|MB|GB)\)", text):
            self._finish()
            self._size = float(named[3]) * _SIZES[named[4]]
            self.step = f"Downloading {_name(named[2])}"
            if named[1] == "Using cached":
                self._finish()
        elif text.startswith("Installing collected packages:"):
            self._finish()
            self.packages = len(text.partition(":")[2].split(","))
            self.step = f"Unpacking {self.packages} packages"
        elif found := re.match(r"(?:Processing|Collecting) (\S+)", text):
            self.step = f"Finding {_name(found[1])}"
        return True

    def _finish(self) -> None:
        self._finished += self._size
        self._size = self._part = 0.0


def _name(source: str) -> str:
    """A package's name, out of the path of its wheel or a requirement."""
    file = re.split(r"[/\\]", source)[-1]
    return file.split("-")[0] if ".whl" in file else re.split(r"[<>=!~\[;]", file)[0]
