"""Exports layouts to files of other programs. The ending of the file's name chooses the format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ..job import FORMATS, MAX_WIDTH, PACKAGES, Action, ExportSettings, Layout, UserError, hidden_folder
from ..templates import Templates
from .base import Cancelled, Export, Exporter, Tell, check_name
from .staging import check_replaceable, place

__all__ = ["Cancelled", "Exported", "export"]


@dataclass(frozen=True)
class Exported:
    """What an export has written, and remarks on it for the user."""

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

    Everything is written into a hidden folder beside the path, and replaces older files only when all is done.
    token: part of that folder's name, see staging. Raises UserError for an unknown ending, for settings that the layout
    cannot follow, and for a place that cannot be written to; and whatever `tell` raises.
    """
    report: Tell = tell or (lambda done, total: None)
    settings = settings or ExportSettings()
    exporter = _exporter(path)
    layout = _chosen_frames(layout, settings)
    parts = list(_parts(layout, path, settings))
    check_name(parts[-1][1])
    Export(layout, templates, path, settings, report).check_size(MAX_WIDTH, "an export")
    remarks = _remarks(layout, path, settings)
    with hidden_folder(path, token) as hidden:
        for number, (part, file) in enumerate(parts):

            def tell_part(done: int, total: int, number: int = number) -> None:
                report(number * total + done, len(parts) * total)

            check_replaceable(file)
            with _libraries_named(path):
                exporter(Export(part, templates, hidden / file.name, settings, tell_part, remarks))
        files = place(hidden, path.parent)
    if len(files) > 1:
        remarks.append(f"{len(files)} files: {files[0].name} to {files[-1].name}")
    return Exported(files, list(dict.fromkeys(remarks)))


def _exporter(path: Path) -> Exporter:
    ending = path.suffix.lower()
    if ending not in FORMATS:
        known = ", ".join(filter(None, FORMATS))
        raise UserError(f"{path} has no known ending: choose one of {known}, or none for a folder of layers")
    with _libraries_named(path):
        module = import_module(f".formats.{FORMATS[ending].module}", __package__)
    exporter: Exporter = module.EXPORTERS[ending]
    return exporter


@contextmanager
def _libraries_named(path: Path) -> Iterator[None]:
    """Turns the lack of a library that a format needs into UserError."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = PACKAGES.get((error.name or "").partition(".")[0], error.name)
        raise UserError(
            f"{path.name} needs {package}, which is not installed: install it, or choose another format",
            Action.INSTALL,
        ) from error


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
    """Yields each file with its part of the layout."""
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
            "The layout was fitted in linear light, but other programs composite display-encoded colors: soft edges "
            "look a little different there"
        )
    if len(layout.frames) > 1 and settings.clip == "groups" and not (form.layered or form.moving):
        remarks.append("Groups need a format with layers: only the first frame was written")
    return remarks
