"""The task of an exporter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..job import ExportSettings, Layout, UserError, quoted
from ..layouts.rendering import picture_height, render_strips
from ..native.arrays import FloatArray
from ..templates import Templates

Tell = Callable[[int, int], None]
"""Called with the steps done and their total. Raises Cancelled to end the export, which then leaves nothing behind."""

SHORT_STRIP_SAMPLES = 2**22
"""Samples that are rendered at once: a fraction of a second, so that an export can be canceled soon."""


class Cancelled(Exception):
    """Raised to end an export before it is complete."""


def check_name(path: Path) -> None:
    """Raises UserError where the system takes no file of this name: too long, or with characters that it lacks."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has a character that names cannot have"
        raise UserError(f"{quoted(path.name)} cannot be the name of a file ({reason}): choose another name") from error


@dataclass(frozen=True)
class Export:
    """A layout with the exported frames only, the file to write, and the settings."""

    layout: Layout
    templates: Templates
    path: Path
    settings: ExportSettings
    tell: Tell
    remarks: list[str] = field(default_factory=list)
    """Sentences for the user about the result; exporters add to them."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, px."""
        width = self.settings.width or self.layout.width
        return width, picture_height(self.layout, width)

    def check_size(self, most: int, what: str) -> None:
        """Raises UserError for a picture with a side of more than `most` px, the limit of `what`."""
        width, height = self.size
        if max(width, height) > most:
            raise UserError(
                f"The picture has {width:,} x {height:,} px, but {what} has {most:,} a side at most: choose a smaller "
                "width"
            )

    @property
    def transparent(self) -> bool:
        """Whether pictures leave out the background."""
        chosen = self.settings.transparent
        return self.layout.transparent if chosen is None else chosen

    def strips(self, frame: int = 0, **options: Any) -> Iterator[FloatArray]:
        """Yields the picture of a frame, by its number from 0, in strips: see rendering.render_strips."""
        given: dict[str, Any] = {
            "width": self.size[0],
            "supersample": self.settings.supersample,
            "transparent": self.transparent,
            "engine": self.settings.engine,
            "threads": self.settings.threads,
            "samples": SHORT_STRIP_SAMPLES,
        }
        return render_strips(self.layout, self.templates, frame=frame, **{**given, **options})


Exporter = Callable[[Export], None]
