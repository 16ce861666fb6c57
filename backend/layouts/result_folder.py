"""Result folders, which hold a valid layout at any moment from the first checkpoint on.

A folder holds layout.npz, layout.json, the stamps as read in templates/, and in levels/ a picture of every mip level
that the layout uses (layouts.level_sheets); preview.png during the fit; and render.png and metrics.json after it. A
clip's folder has frames in render/ and also metrics.png; during the fit, it has only progress/.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..job import (
    Layout,
    LevelKey,
    UserError,
    cannot_write,
    folder_aside,
    hidden_folder,
    linked_copy,
    resolved,
    settled,
    sweep,
    write_json,
)
from ..native.arrays import ByteArray, FloatArray
from ..pictures.images import save_png
from ..pictures.png import write_png
from ..templates import Template, Templates, load_templates
from .contents import PROGRESS, RECORDING, ROOMS, check_own, is_part, remove_progress
from .level_sheets import LevelSheets


class ResultFolder:
    """The folder to which a fit writes its checkpoints and its result.

    The first checkpoint replaces an older result as a whole. After that, files are replaced one by one, in such an
    order that the folder is always a valid layout folder: a killed process leaves the latest checkpoint. If another
    run has replaced the folder meanwhile, or it is gone, it is written as a whole again.
    """

    def __init__(self, path: Path, templates: Templates, *, keeps_progress: bool = False) -> None:
        """Checks the place, and removes what killed runs have left.

        keeps_progress: progress/ of an older result stays until drop_progress(). Raises UserError where the folder
        cannot be written to, or holds anything but an older result.
        """
        self.path = resolved(path)
        for folder in (self.path.parent, self.path, *(self.path / name for name in ROOMS)):
            sweep(folder)
        _check_free(self.path)
        self._templates, self._keeps_progress = templates, keeps_progress
        self._files = [f"templates/{i:03d}_{_safe(item)}.png" for i, item in enumerate(templates.items)]
        self._sheets = LevelSheets(templates)
        self._layout: Layout | None = None  # the latest, with the names of the stamps' files
        self._identity: tuple[int, int] | None = None  # of the folder that was written

    def save(self, layout: Layout, *, last: bool = False) -> None:
        """Makes this the folder's layout. last: until finish(); then the levels of checkpoints are not added to."""
        specs = [replace(spec, file=file) for spec, file in zip(layout.templates, self._files, strict=True)]
        self._layout = replace(layout, templates=specs)
        if self._identity is None:
            self._write_whole(self._layout)
        else:
            self._in_place(partial(self._write_layout, self._layout, self.path, last=last))

    def preview(self, image: FloatArray | ByteArray) -> Path:
        """Writes preview.png of an image [3 or 4, H, W]; after the first save only."""
        path = self.path / "preview.png"
        self._in_place(partial(save_png, path, image, parents=False))
        return path

    def record(self, course: Layout) -> None:
        """Adds recording/ with the stamps of the folder; after the first save only."""
        specs = [replace(spec, file=f"../{file}") for spec, file in zip(course.templates, self._files, strict=True)]
        course = replace(course, templates=specs)
        self._in_place(lambda: course.save(_room(self.path, RECORDING), parents=False))

    def finish(self, render: FloatArray, metrics: dict[str, Any]) -> None:
        """Adds render.png of an image [3 or 4, H, W] and metrics.json, drops the levels that only checkpoints used."""
        self._in_place(partial(save_png, self.path / "render.png", render, parents=False))
        self._in_place(partial(write_json, self.path / "metrics.json", metrics, parents=False))
        # The last step: who has just read an earlier checkpoint may still look for its levels.
        if self._layout is not None:
            self._in_place(partial(self._renew_levels, self._layout))

    def finish_clip(self, frames: Iterable[tuple[int, FloatArray]], measured: Callable[[], dict[str, Any]]) -> None:
        """Adds render/ of frames (number and image [3 or 4, H, W]) and metrics.json; measured is called after them."""
        for number, image in frames:
            self._in_place(partial(_save_in, self.path, f"render/{number:04d}.png", image))
        self._in_place(partial(write_json, self.path / "metrics.json", measured(), parents=False))

    def add(self, name: str, write: Callable[[Path], object]) -> None:
        """Calls write with the path of a file of the result by its name; after the first save only."""
        self._in_place(partial(write, self.path / name))

    def drop_progress(self) -> None:
        """Removes the progress of a clip's fit that is done."""
        remove_progress(self.path / PROGRESS)

    def _in_place(self, write: Callable[[], object]) -> None:
        """Writes into the folder; where it was removed or replaced meanwhile, writes the layout as a whole first."""
        if self._is_ours():
            try:
                write()
                return
            except UserError:
                if self._is_ours():
                    raise
        assert self._layout is not None  # save() comes first
        self._write_whole(self._layout)
        write()

    def _is_ours(self) -> bool:
        """Returns whether the folder that was written is still in its place."""
        return self._identity is not None and self._identity == _identity(self.path)

    def _write_whole(self, layout: Layout) -> None:
        _check_free(self.path)
        self._sheets.forget()
        with folder_aside(self.path, partial(check_own, shown=self.path)) as folder:
            _room(folder, "templates")
            for item, file in zip(self._templates.items, self._files, strict=True):
                _save_stamp(folder / file, item)
            self._write_layout(layout, folder)
            self._identity = _identity(folder)
            if self._keeps_progress and (self.path / PROGRESS).is_dir():
                # A move would lose it if the process were killed before the folder is in its place.
                linked_copy(self.path / PROGRESS, folder / PROGRESS)

    def _write_layout(self, layout: Layout, folder: Path, *, last: bool = False) -> None:
        """Writes the levels that are missing, and then the layout, into a folder, which it does not make."""
        add = self._sheets.renew if last else self._sheets.add
        add(_room(folder, "levels"), _used_levels(layout))
        layout.save(folder, parents=False)

    def _renew_levels(self, layout: Layout) -> None:
        room = _room(self.path, "levels")
        self._sheets.renew(room, _used_levels(layout))
        self._sheets.drop_old(room)


def check_apart(folder: Path, path: Path) -> None:
    """Raises UserError where `path` is a part of a result folder, which would be overwritten."""
    if resolved(path).parent == resolved(folder) and is_part(path.name):
        raise UserError(f"{path} is a part of the exported layout: choose another name")


def load_result(folder: Path) -> tuple[Layout, Templates]:
    """Reads a layout folder's layout and stamps. Raises UserError where it is incomplete or inconsistent."""
    return settled(folder, partial(_load_result, folder))


def _load_result(folder: Path) -> tuple[Layout, Templates]:
    layout = Layout.load(folder)
    templates = load_templates(layout.templates)
    last = templates.level_count[layout.template] - 1
    if (layout.level < 0).any() or (layout.level > last).any():
        raise UserError(f"The layout in {folder} uses a mip level that its stamps do not have: fit it again")
    return layout, templates


def load_recording(folder: Path) -> Layout:
    """Reads the recording in a result folder. Raises UserError where there is none."""
    if not (folder / RECORDING / "layout.json").is_file():
        raise UserError(f"{folder} holds no recording: fit it again with --record 100 (in Blender: Advanced, Record)")
    return Layout.load(folder / RECORDING)


def _used_levels(layout: Layout) -> set[LevelKey]:
    """Returns the mip levels that the layout shows."""
    # For a million rows, np.unique keeps all other threads waiting for seconds.
    return set(zip(layout.template.tolist(), *layout.level.T.tolist(), strict=True))


def _room(folder: Path, name: str) -> Path:
    """Returns a folder in a result, which is made if needed. Raises UserError where the result is gone."""
    try:
        (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder / name, error) from error
    return folder / name


def _save_stamp(path: Path, item: Template) -> None:
    """Writes a stamp as it was read: a copy of its file, if that is a PNG that all programs read alike.

    The folder is still aside as a whole. Raises OSError where it cannot be written to.
    """
    source = item.source.path
    data = source.read_bytes() if source is not None else b""
    if _is_plain_png(data, item.width, item.height):
        _write_new(path, data)
        return
    with path.open("wb") as file:
        write_png(file, item.rgba)


def _write_new(path: Path, data: bytes) -> None:
    """Writes a file in as few calls to the system as it takes: there may be thousands of stamps."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)


_PLAIN = {b"IHDR", b"sRGB", b"pHYs", b"tIME", b"bKGD", b"sBIT", b"IDAT", b"IEND"}
"""Chunks of a PNG that change neither its colors nor its orientation."""


def _is_plain_png(data: bytes, width: int, height: int) -> bool:
    """Whether this is a PNG of this size with 8-bit RGB or RGBA and nothing that programs could understand apart."""
    right = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBB", width, height, 8, colors) for colors in (2, 6)]
    kinds, at = [b""], 8
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        kinds.append(kind)
        at += size + 12
    return data[:26] in right and kinds[-1] == b"IEND" and _PLAIN.issuperset(kinds[1:])


def _save_in(folder: Path, file: str, image: FloatArray | ByteArray) -> None:
    """Writes a picture to a file in a folder of the result, by its path there."""
    room, name = file.split("/")
    save_png(_room(folder, room) / name, image, parents=False)


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
        if os.path.lexists(path):
            if not path.is_dir():
                raise UserError(f"{path} is a file, but a folder is needed for the result: choose another place")
            check_own(path, path)
        with hidden_folder(path):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error


def _safe(item: Template) -> str:
    """Returns the stamp's name as a part of a file's name that is valid on any system."""
    return re.sub(r"[^\w-]+", "_", item.name)[:40] or "stamp"
