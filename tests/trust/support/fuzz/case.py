"""One damaged or hostile input: the files of a folder, and what is done with them. It is kept as one file of JSON."""

from __future__ import annotations

import base64
import json
import os
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Case:
    """kind: see generate.KINDS. name: says which mutation it is.

    files, links and pipes are made in the case's folder, by their path there. arguments: of a command line, lines for
    the worker, or parts of a stored layout. HERE and OUTSIDE in texts stand for the case's folder and one beside it.
    """

    kind: str
    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    pipes: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)

    def write(self, folder: Path, outside: Path) -> None:
        """Makes the files in a folder, which is empty."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(placed(data, folder, outside))
        for name, target in self.links.items():
            os.symlink(target.replace("OUTSIDE", str(outside)), folder / name)
        for name in self.pipes:
            if hasattr(os, "mkfifo"):
                os.mkfifo(folder / name)

    def encode(self, problem: str = "") -> str:
        """Returns the case as JSON, with a problem that it showed."""
        files = {name: base64.b85encode(zlib.compress(data, 9)).decode() for name, data in self.files.items()}
        return json.dumps({**asdict(self), "files": files, "problem": problem}, indent=1)

    @classmethod
    def decode(cls, text: str) -> Case:
        data: dict[str, Any] = json.loads(text)
        data.pop("problem", None)
        files = {name: zlib.decompress(base64.b85decode(packed)) for name, packed in data.pop("files").items()}
        return cls(files=files, **data)


def placed(data: bytes, folder: Path, outside: Path) -> bytes:
    """Returns a file's text with the folders that it names."""
    if b"HERE" not in data and b"OUTSIDE" not in data:
        return data
    return data.replace(b"HERE", str(folder).encode()).replace(b"OUTSIDE", str(outside).encode())
