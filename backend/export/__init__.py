"""Layouts to files of other programs. A file a format; the ending of the file's name chooses it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from ..exporting import ENDINGS, LAYERED, MOVING, ExportSettings
from ..files import UserError
from ..job import Layout
from ..templates import Templates
from .base import Cancelled, Export, Exporter, Tell

__all__ = ["Cancelled", "export", "written_files"]

_MODULES = {
    ".png": "image",
    ".json": "data",
    ".psd": "psd",
    ".psb": "psd",
    ".ora": "ora",
    "": "folder",
    ".svg": "svg",
    ".gif": "animation",
    ".webp": "animation",
    ".mp4": "animation",
}
"""Where each format is written, by its ending; loaded when it is asked for."""


def export(
    layout: Layout, templates: Templates, path: Path, settings: ExportSettings | None = None, tell: Tell | None = None
) -> list[str]:
    """Writes the layout in the format that the path's ending names. Returns what the user should know of the result.

    Files are written aside and take the place of older ones at the end. Raises UserError for an ending that is not
    known, for settings that the layout cannot follow, and for a place that cannot be written to; what `tell` raises.
    """
    settings = settings or ExportSettings()
    exporter = _exporter(path)
    layout = _chosen_frames(layout, settings)
    parts = list(_parts(layout, path, settings))
    tell = tell or (lambda done, total: None)
    remarks = _remarks(layout, path)
    for number, (part, file) in enumerate(parts):

        def tell_part(done: int, total: int, number: int = number) -> None:
            tell(number * total + done, len(parts) * total)

        exporter(Export(part, templates, file, settings, tell_part, remarks))
    return list(dict.fromkeys(remarks))


def written_files(layout: Layout, path: Path, settings: ExportSettings) -> list[Path]:
    """The files, or folders, that export would write."""
    return [file for _, file in _parts(_chosen_frames(layout, settings), path, settings)]


def _exporter(path: Path) -> Exporter:
    ending = path.suffix.lower()
    if ending not in _MODULES:
        known = ", ".join(ENDINGS)
        raise UserError(f"{path} has no known ending: choose one of {known}, or none for a folder of layers")
    module = import_module(f".{_MODULES[ending]}", __package__)
    exporter: Exporter = module.EXPORTERS[ending]
    return exporter


def _chosen_frames(layout: Layout, settings: ExportSettings) -> Layout:
    if settings.frames is None:
        return layout
    first, last = settings.frames
    chosen = [index for index, number in enumerate(layout.frames) if first <= number <= last]
    if not chosen:
        raise UserError(
            f"There is no frame from {first} to {last}: the layout has {layout.frames[0]} to {layout.frames[-1]}"
        )
    return layout.only(chosen)


def _parts(layout: Layout, path: Path, settings: ExportSettings) -> Iterator[tuple[Layout, Path]]:
    """What comes into which file."""
    ending = path.suffix.lower()
    if ending in MOVING or len(layout.frames) == 1 or (settings.clip == "groups" and ending in LAYERED):
        yield layout, path
    elif settings.clip != "files":
        yield layout.only([0]), path
    else:
        for index, number in enumerate(layout.frames):
            yield layout.only([index]), path.with_name(f"{path.stem}_{number:04d}{path.suffix}")


def _remarks(layout: Layout, path: Path) -> list[str]:
    if layout.space == "linear" and path.suffix.lower() in (*LAYERED, ".svg"):
        return [
            "The layout was fitted in linear light, but other programs composite display-encoded colours: soft edges "
            "look a little different there"
        ]
    return []
