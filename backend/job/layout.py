"""A layout: all primitives of a result over its frames, and the folder that holds it."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UserError
from .files import settled, written_aside
from .schema import SCHEMA, absolute_path, check_choice, check_range, from_dict, objects_of, read_json, write_json
from .settings import MAX_SIZE, SPACES, TemplateSpec

LEVEL_PADDING = 1
"""Transparent texels around every bitmap in a layout's levels/ folder, whatever a renderer's edge rule is."""

Array = NDArray[Any]

MOVING = ("x", "y", "scale", "aspect", "rotation", "opacity", "color")
"""Arrays with a row for each frame, apart from depth."""
FIXED = ("level", "template", "region", "mirror", "locked")
"""Arrays that are the same in all frames."""

_PER_PRIMITIVE = {"template": np.int32, "region": np.int32, "mirror": np.bool_, "locked": np.bool_}


@dataclass
class Layout:
    """All primitives, front first, over F frames. A saved layout is rendered, built and exported without its job."""

    x: Array  # [F, N] float32, px
    y: Array  # [F, N] float32, px
    scale: Array  # [F, N] float32, px
    aspect: Array  # [F, N] float32
    rotation: Array  # [F, N] float32, radians
    opacity: Array  # [F, N] float32
    color: Array  # [F, N, 3] float32, display-encoded
    template: Array  # [N] int32, index into templates
    level: Array  # [N, 2] int32, mip level per axis at canvas size
    region: Array  # [N] int32
    mirror: Array  # [N] bool
    locked: Array  # [N] bool
    width: int  # canvas, px
    height: int
    templates: list[TemplateSpec]
    space: str = "display"
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)
    transparent: bool = False  # the canvas: the background is then no part of the picture
    fps: float = 24.0
    frames: list[int] = field(default_factory=lambda: [1])
    depth: Array | None = None  # [F, N] int32: the least is in front; None = index 0 is in front

    def __post_init__(self) -> None:
        check_choice("space", self.space, SPACES)
        check_range("fps", self.fps, 1e-3, 1e4)
        check_range("width", self.width, 1, MAX_SIZE)
        check_range("height", self.height, 1, MAX_SIZE)
        count, shots = np.size(self.template), len(self.frames)
        for name in MOVING[:-1]:
            self._convert(name, np.float32, (shots, count))
        self._convert("color", np.float32, (shots, count, 3))
        self._convert("level", np.int32, (count, 2))
        for name, kind in _PER_PRIMITIVE.items():
            self._convert(name, kind, (count,))
        if self.depth is not None:
            self._convert("depth", np.int32, (shots, count))
        if count and not 0 <= int(self.template.min()) <= int(self.template.max()) < len(self.templates):
            raise UserError(f"The layout uses a stamp that it does not have: it has {len(self.templates)}")

    def _convert(self, name: str, kind: Any, shape: tuple[int, ...]) -> None:
        try:
            array = np.ascontiguousarray(getattr(self, name), dtype=kind)
        except (TypeError, ValueError) as error:
            raise UserError(f"The layout's {name} is not an array of numbers") from error
        if array.shape != shape:
            raise UserError(f"The layout's {name} has the shape {array.shape}, but {shape} is needed")
        setattr(self, name, array)

    @property
    def count(self) -> int:
        return len(self.template)

    def order(self, frame: int) -> Array:
        """Returns the indices of the primitives in frame number `frame` (from 0), front first: [N] int64."""
        return np.arange(self.count) if self.depth is None else np.argsort(self.depth[frame], kind="stable")

    def only(self, frames: Sequence[int]) -> Layout:
        """Returns the layout with these frames only, by their numbers from 0."""
        index = list(frames)
        arrays = {name: getattr(self, name)[index] for name in MOVING}
        depth = None if self.depth is None else self.depth[index]
        return replace(self, **arrays, depth=depth, frames=[self.frames[i] for i in index])

    def save(self, folder: Path, *, parents: bool = True) -> None:
        """Writes layout.npz and layout.json into the folder; the caller writes the stamps' pictures.

        parents: makes missing folders. Raises UserError where the folder cannot be written to.
        """
        names = (*MOVING, *FIXED, *([] if self.depth is None else ["depth"]))
        arrays = {name: getattr(self, name) for name in names}
        # Through memory: on a full disk, closing an archive raises a second error.
        archive = io.BytesIO()
        np.savez(archive, **arrays)
        with written_aside(folder / "layout.npz", parents=parents) as path:
            path.write_bytes(archive.getbuffer())
        meta = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in (*arrays, "depth")}
        data = {"schema": SCHEMA, **meta, "templates": [asdict(t) for t in self.templates]}
        write_json(folder / "layout.json", data, parents=parents)

    @classmethod
    def load(cls, folder: Path) -> Layout:
        """Reads a layout folder, with absolute paths of the stamps. Raises UserError where it is incomplete."""
        return settled(folder, partial(cls._load, folder))

    @classmethod
    def _load(cls, folder: Path) -> Layout:
        data = read_json(folder / "layout.json")
        where = str(folder / "layout.json")
        specs = objects_of(TemplateSpec, data, "templates", where)
        path = folder / "layout.npz"
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = dict(archive)
        # RuntimeError: zipfile raises it for encrypted files and for unknown compressions.
        except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"{path} cannot be read as a layout: {error}") from error
        layout = from_dict(cls, {**data, **arrays, "templates": specs}, where)
        if not all(np.isfinite(getattr(layout, name)).all() for name in MOVING):
            raise UserError(f"{path} holds values that are not finite numbers: fit it again")
        for spec in layout.templates:
            if min(spec.width, spec.height) < 1:
                raise UserError(f"{where}: the stamp {spec.name!r} has no size: fit it again")
            spec.file = absolute_path(folder, spec.file)
        return layout


def level_file(template: int, level_u: int, level_v: int) -> str:
    """Returns the name of a mip level's picture in a layout folder: RGBA, 8 bit, with LEVEL_PADDING texels around."""
    return f"levels/{template:03d}_{level_u}x{level_v}.png"
