"""Export of layouts to files of other programs. The ending of the file's name chooses the format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ..job import FORMATS, MAX_WIDTH, ExportSettings, Layout, UserError
from ..templates import Templates
from .base import Cancelled, Export, Exporter, Tell
from .staging import check_replaceable, hidden_folder, place

__all__ = ["Cancelled", "Exported", "export"]


@dataclass(frozen=True)
class Exported:
    """What an export has written, and what the user should know of it."""

    files: list[Path]  # or folders
    remarks: list[str]


def export(
    layout: Layout,
    templates: Templates,
    path: Path,
    settings: ExportSettings | None = None,
    tell: Tell | None = None,
    token: str = "",
) -> Exported:
    """Writes the layout in the format that the path's ending names.

    Everything is written into a hidden folder beside the path, and takes the place of older files when all is done.
    token: of that folder's name, see staging. Raises UserError for an ending that is not known, for settings that the
    layout cannot follow, and for a place that cannot be written to; what `tell` raises.
    """
    settings = settings or ExportSettings()
    exporter = _exporter(path)
    layout = _chosen_frames(layout, settings)
    parts = list(_parts(layout, path, settings))
    _check_size(Export(layout, templates, path, settings, _nobody))
    remarks = _remarks(layout, path, settings)
    with hidden_folder(path, token) as hidden:
        for number, (part, file) in enumerate(parts):

            def tell_part(done: int, total: int, number: int = number) -> None:
                (tell or _nobody)(number * total + done, len(parts) * total)

            check_replaceable(file)
            exporter(Export(part, templates, hidden / file.name, settings, tell_part, remarks))
        files = place(hidden, path.parent)
    if len(files) > 1:
        remarks.append(f"{len(files)} files: {files[0].name} to {files[-1].name}")
    return Exported(files, list(dict.fromkeys(remarks)))


def _nobody(done: int, total: int) -> None:
    """Ignores how much is done, where nobody wants to know."""


def _check_size(task: Export) -> None:
    width, height = task.size
    if max(width, height) > MAX_WIDTH:
        raise UserError(
            f"The picture would have {width:,} x {height:,} px, but it can have {MAX_WIDTH:,} a side: choose a smaller "
            "one"
        )


def _exporter(path: Path) -> Exporter:
    ending = path.suffix.lower()
    if ending not in FORMATS:
        known = ", ".join(filter(None, FORMATS))
        raise UserError(f"{path} has no known ending: choose one of {known}, or none for a folder of layers")
    module = import_module(f".formats.{FORMATS[ending].module}", __package__)
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
    """The part of the layout for each file, and the file."""
    form = FORMATS[path.suffix.lower()]
    if form.moving or len(layout.frames) == 1 or (settings.clip == "groups" and form.layered):
        yield layout, path
    elif settings.clip != "files":
        yield layout.only([0]), path
    else:
        for index, number in enumerate(layout.frames):
            yield layout.only([index]), path.with_name(f"{path.stem}_{number:04d}{path.suffix}")


def _remarks(layout: Layout, path: Path, settings: ExportSettings) -> list[str]:
    remarks = []
    form = FORMATS[path.suffix.lower()]
    if layout.space == "linear" and form.recomposited:
        remarks.append(
            "The layout was fitted in linear light, but other programs composite display-encoded colours: soft edges "
            "look a little different there"
        )
    if len(layout.frames) > 1 and settings.clip == "groups" and not (form.layered or form.moving):
        remarks.append("Groups need a format with layers: this has the first frame")
    return remarks
