"""The task of an exporter, and its limits."""

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
"""Called with how much is done, and of how much. Raises Cancelled to end the export, which then leaves nothing."""

SHORT_STRIP_SAMPLES = 2**22
"""Samples of an exported picture that are rendered at once: a fraction of a second, after which it may be cancelled."""


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
            "samples": SHORT_STRIP_SAMPLES,
        }
        return render_strips(self.layout, self.templates, frame=frame, **{**given, **options})


Exporter = Callable[[Export], None]
