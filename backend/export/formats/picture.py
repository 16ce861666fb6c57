"""A layout as one flat picture."""

from __future__ import annotations

from ...job import written_aside
from ...pictures.png import PngWriter
from ..base import Export, Exporter


def export_png(task: Export) -> None:
    """Writes RGB, or straight RGBA without the background; in strips, so that any size fits in memory."""
    width, height = task.size
    with written_aside(task.path) as aside, open(aside, "wb") as file:
        settings = task.settings
        channels = 4 if task.transparent else 3
        writer = PngWriter(file, width, height, channels, bits=settings.bits, resolution=settings.resolution)
        done = 0
        for strip in task.strips():
            task.tell(done, height)
            writer.write(strip)
            done += strip.shape[1]
        writer.finish()
        task.tell(height, height)


EXPORTERS: dict[str, Exporter] = {".png": export_png}
