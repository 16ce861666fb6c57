"""Which targets move: movies, animated pictures and folders of frames. Nothing is decoded to tell."""

from __future__ import annotations

import struct
from pathlib import Path

from .images import opened

MOVIES: tuple[str, ...] = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")
MOVIES += (".mts", ".m2ts", ".ts", ".ogv", ".flv", ".wmv")
ANIMATED = (".gif", ".webp", ".png", ".apng", ".avif")


def is_moving(path: Path) -> bool:
    """Whether this is a movie, an animated picture, or a folder that is not a job folder.

    Raises UserError where an animated picture is damaged.
    """
    if path.is_dir():
        return not (path / "job.json").exists()
    if path.suffix.lower() in MOVIES:
        return True
    if path.suffix.lower() not in ANIMATED or not path.exists() or _is_still_png(path):
        return False
    with opened(path) as image:
        return bool(getattr(image, "is_animated", False))


def _is_still_png(path: Path) -> bool:
    """Whether a file is a PNG whose pixels begin before any word of an animation."""
    if not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            if file.read(8) != b"\x89PNG\r\n\x1a\n":
                return False
            while len(head := file.read(8)) == 8:
                length, kind = struct.unpack(">I4s", head)
                if kind in (b"acTL", b"IDAT"):
                    return kind == b"IDAT"
                file.seek(length + 4, 1)
    except OSError:
        pass  # whoever opens it tells why
    return False
