"""Result folders, which hold a valid layout at any moment from the first checkpoint on.

A folder holds layout.npz, layout.json, the stamps as read in templates/, and in levels/ every mip level that the layout
uses (backend.job.level_file); preview.png during the fit; and render.png and metrics.json after it. A clip's folder
has frames in render/ and also metrics.png; during the fit, it has only progress/.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..job import LEVEL_PADDING, Layout, UserError, cannot_write, folder_aside, level_file, write_json
from ..pictures.images import save_png
from ..templates import Template, Templates, load_templates, padded

RECORDING = "recording"
"""Folder of the recording, if there is one: a layout of many frames with the stamps of the result."""

PROGRESS = "progress"
"""Folder of the frames that an unfinished fit of a clip has done."""

SEAL = "job"
"""File in the folder of progress that identifies its job."""

_OWN = {"layout.npz", "layout.json", "templates", "levels", "preview.png", "render.png", "render", RECORDING, PROGRESS}
_OWN |= {"metrics.json", "metrics.png"}
_HARMLESS = (".DS_Store", "Thumbs.db", "desktop.ini")


class ResultFolder:
    """The folder to which a fit writes its checkpoints and its result.

    The first checkpoint replaces an older result as a whole. After that, files are replaced one by one, in such an
    order that the folder is always a valid layout folder: a killed process leaves the latest checkpoint. If another
    run has replaced the folder meanwhile, or it is gone, it is written as a whole again.
    """

    def __init__(self, path: Path, templates: Templates, *, keeps_progress: bool = False) -> None:
        """Checks the place. keeps_progress: progress/ of an older result stays until drop_progress().

        Raises UserError where the folder cannot be written to, or holds anything but an older result.
        """
        self.path = path.resolve()
        _check_free(self.path)
        self._templates, self._keeps_progress = templates, keeps_progress
        self._files = [f"templates/{i:03d}_{_safe(item)}.png" for i, item in enumerate(templates.items)]
        self._levels: set[str] = set()  # written
        self._used: set[str] = set()  # by the latest layout
        self._latest: Layout | None = None
        self._identity: tuple[int, int] | None = None  # of the folder that was written

    def save(self, layout: Layout) -> None:
        """Makes this the folder's layout."""
        self._latest = layout
        specs = [replace(spec, file=file) for spec, file in zip(layout.templates, self._files, strict=True)]
        layout = replace(layout, templates=specs)
        self._used = {level_file(*key) for key in _used_levels(layout)}
        if self._is_ours():
            self._write_levels(layout, self.path)
            layout.save(self.path)
            return
        _check_free(self.path)
        self._levels.clear()
        with folder_aside(self.path) as folder:
            for item, file in zip(self._templates.items, self._files, strict=True):
                save_png(folder / file, item.rgba)
            self._write_levels(layout, folder)
            layout.save(folder)
            self._identity = _identity(folder)
            if self._keeps_progress and (self.path / PROGRESS).is_dir():
                os.replace(self.path / PROGRESS, folder / PROGRESS)

    def preview(self, image: Tensor) -> Path:
        """Writes preview.png of an image [3 or 4, H, W]; after the first save only."""
        path = self.path / "preview.png"
        save_png(path, image)
        return path

    def record(self, course: Layout) -> None:
        """Adds recording/ with the stamps of the folder; after the first save only."""
        specs = [replace(spec, file=f"../{file}") for spec, file in zip(course.templates, self._files, strict=True)]
        replace(course, templates=specs).save(self.path / RECORDING)

    def finish(self, render: Tensor, metrics: dict[str, Any]) -> None:
        """Adds render.png of an image [3 or 4, H, W] and metrics.json, drops the levels that only checkpoints used."""
        if self._latest is not None and not self._is_ours():
            self.save(self._latest)
        save_png(self.path / "render.png", render)
        write_json(self.path / "metrics.json", metrics)
        for name in self._levels - self._used:
            (self.path / name).unlink(missing_ok=True)

    def finish_clip(self, frames: Iterable[tuple[int, Tensor]], measured: Callable[[], dict[str, Any]]) -> None:
        """Adds render/ of frames (number and image [3 or 4, H, W]) and metrics.json; measured is called after them."""
        for number, image in frames:
            save_png(self.path / "render" / f"{number:04d}.png", image)
        write_json(self.path / "metrics.json", measured())

    def drop_progress(self) -> None:
        """Removes the progress of a clip's fit that is done."""
        shutil.rmtree(self.path / PROGRESS, ignore_errors=True)

    def _is_ours(self) -> bool:
        """Returns whether the folder that was written is still in its place."""
        return self._identity is not None and self._identity == _identity(self.path)

    def _write_levels(self, layout: Layout, folder: Path) -> None:
        for key in _used_levels(layout):
            name = level_file(*key)
            if name not in self._levels:
                save_png(folder / name, padded(self._templates.bitmap(*key), LEVEL_PADDING))
                self._levels.add(name)


def check_apart(folder: Path, path: Path) -> None:
    """Raises UserError where `path` is a part of a result folder, which would be overwritten."""
    if path.resolve().parent == folder.resolve() and path.name in _OWN:
        raise UserError(f"{path} is a part of the exported layout: choose another name")


def load_result(folder: Path) -> tuple[Layout, Templates]:
    """Reads a layout folder's layout and stamps. Raises UserError where it is incomplete or inconsistent."""
    layout = Layout.load(folder)
    templates = load_templates(layout.templates)
    last = templates.level_count.numpy()[layout.template] - 1
    if (layout.level < 0).any() or (layout.level > last).any():
        raise UserError(f"The layout in {folder} uses a mip level that its stamps do not have: fit it again")
    return layout, templates


def load_recording(folder: Path) -> Layout:
    """Reads the recording in a result folder. Raises UserError where there is none."""
    if not (folder / RECORDING / "layout.json").is_file():
        raise UserError(f"{folder} holds no recording: fit it again with --record 100 (in Blender: Advanced, Record)")
    return Layout.load(folder / RECORDING)


def _used_levels(layout: Layout) -> list[tuple[int, int, int]]:
    """Returns the mip levels that the layout shows: template, level along u, level along v."""
    rows = np.unique(np.column_stack([layout.template, layout.level]), axis=0)
    return [(int(template), int(u), int(v)) for template, u, v in rows]


def _identity(folder: Path) -> tuple[int, int] | None:
    """Returns what identifies a result folder from its first checkpoint on, even when moved; None where it is gone."""
    try:
        # It is written once. The number of the folder itself may be reused from a removed folder.
        status = (folder / "templates").stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _check_free(path: Path) -> None:
    try:
        if path.exists() and not path.is_dir():
            raise UserError(f"{path} is a file, but a folder is needed for the result: choose another place")
        names = sorted(entry.name for entry in path.iterdir()) if path.exists() else []
        # By name alone, a folder such as render/ may belong to anyone.
        own = _OWN if "layout.json" in names else {PROGRESS} if (path / PROGRESS / SEAL).is_file() else set()
        foreign = [name for name in names if name not in own and not _replaceable(name)]
        if foreign:
            raise UserError(f"{path} holds other things than a result ({foreign[0]}): choose a new or an empty folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent).cleanup()
    except OSError as error:
        raise cannot_write(path, error) from error


def _replaceable(name: str) -> bool:
    """Returns whether a file was left by a killed process or by a file browser."""
    return name in _HARMLESS or name.startswith((".layout-", ".preview-", ".render-", ".metrics-"))


def _safe(item: Template) -> str:
    """Returns the stamp's name as a part of a file's name that is valid on any system."""
    return re.sub(r"[^\w-]+", "_", item.name)[:40] or "stamp"
