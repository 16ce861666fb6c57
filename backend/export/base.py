"""What all exporters are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ..job import ExportSettings, Layout
from ..rendering import picture_height, render_strips
from ..templates import Templates

Tell = Callable[[int, int], None]
"""Is told how much is done, and of how much. Raises Cancelled where the export shall end; nothing may be left then."""


STRIP_PIXELS = 2**22
"""Samples of a strip of a picture: a fraction of a second, after which the export may be cancelled."""


class Cancelled(Exception):
    """Somebody has asked for the end of an export."""


@dataclass(frozen=True)
class Export:
    """A layout, of the frames that are exported alone, the file it comes into, and how."""

    layout: Layout
    templates: Templates
    path: Path
    settings: ExportSettings
    tell: Tell
    remarks: list[str] = field(default_factory=list)
    """Sentences for the user about the result, which exporters add to."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, px."""
        width = self.settings.width or self.layout.width
        return width, picture_height(self.layout, width)

    @property
    def transparent(self) -> bool:
        """Whether pictures leave the background out."""
        chosen = self.settings.transparent
        return self.layout.transparent if chosen is None else chosen

    def strips(self, frame: int = 0, **options: Any) -> Iterator[Tensor]:
        """The picture of a frame, by its number from 0, in strips: see rendering.render_strips."""
        given: dict[str, Any] = {
            "width": self.size[0],
            "supersample": self.settings.supersample,
            "transparent": self.transparent,
            "engine": self.settings.engine,
            "threads": self.settings.threads,
            "pixels": STRIP_PIXELS,
        }
        return render_strips(self.layout, self.templates, frame=frame, **{**given, **options})


Exporter = Callable[[Export], None]
