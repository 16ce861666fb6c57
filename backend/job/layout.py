"""A layout: all primitives of a result over its frames, and the folder that holds it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .arrays import Array, Shapes, read_arrays, write_arrays
from .clip import MAX_FRAME
from .errors import UserError, quoted
from .files import settled
from .paths import inside, relative
from .schema import SCHEMA, check_choice, check_range, from_dict, objects_of, read_json, write_json
from .settings import MAX_COUNT, MAX_SIDE, MAX_SIZE, SPACES, TemplateSpec

LEVEL_PADDING = 1
"""Transparent texels around every bitmap in a layout's levels/ folder, whatever a renderer's edge rule is."""

MOVING = ("x", "y", "scale", "aspect", "rotation", "opacity", "color")
"""Arrays with a row for each frame, apart from depth."""
FIXED = ("level", "template", "region", "mirror", "locked")
"""Arrays that are the same in all frames."""

_PER_PRIMITIVE = {"template": np.int32, "region": np.int32, "mirror": np.bool_, "locked": np.bool_}

_FAR, _SLACK = 1e6, 2.0**-10
BOUNDS: dict[str, tuple[float, float]] = {
    # A hundred canvases away. Single precision still tells sixteenths of a pixel there.
    **dict.fromkeys(("x", "y"), (-_FAR, _FAR)),
    "scale": (0.0, _FAR),
    # Fits stretch up to 50; planes may be scaled flat by hand.
    "aspect": (2.0**-14, 2.0**14),
    "rotation": (-_FAR, _FAR),
    # Rounding may exceed them a little.
    **dict.fromkeys(("opacity", "color"), (-_SLACK, 1.0 + _SLACK)),
    # The last level of the largest picture, at two levels an octave.
    "level": (0, 2 * (MAX_SIDE.bit_length() - 1)),
    "template": (0, 2**31 - 1),  # see __post_init__
    "region": (0, _FAR),
    **dict.fromkeys(("mirror", "locked"), (0, 1)),
    "depth": (-(2**31), 2**31 - 1),
}
"""The least and the greatest number in each array of a layout from anywhere."""

MOST_PRIMITIVES = 10 * MAX_COUNT  # merged clips add up
MOST_STAMPS = 100_000
MOST_LETTERS = 255  # of a stamp's name: as of a file's
_LAST_FRAME = 10 * MAX_FRAME  # a clip may lie anywhere in a scene

_RECORDING = "recording"
"""Name of a folder in a result folder, whose stamps it shows: see layouts.result_folder."""


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
        kinds = {**dict.fromkeys(MOVING, np.float32), "level": np.int32, **_PER_PRIMITIVE, "depth": np.int32}
        count = np.size(self.template)
        for name, shape in _shapes(len(self.frames), count).items():
            if name != "depth" or self.depth is not None:
                self._convert(name, kinds[name], shape)
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
        write_arrays(folder / "layout.npz", arrays, parents=parents)
        meta = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in (*arrays, "depth")}
        meta["templates"] = [{**vars(spec), "file": relative(folder, spec.file)} for spec in self.templates]
        write_json(folder / "layout.json", {"schema": SCHEMA, **meta}, parents=parents)

    @classmethod
    def load(cls, folder: Path) -> Layout:
        """Reads a layout folder from anywhere, with absolute paths of the stamps.

        Raises UserError where it is incomplete, damaged, or too large, or names files that lie elsewhere.
        """
        return settled(folder, partial(cls._load, folder))

    @classmethod
    def _load(cls, folder: Path) -> Layout:
        data = read_json(Path(inside(folder, "layout.json")))
        where = str(folder / "layout.json")
        frames = data.get("frames", [1])

        def check(shapes: Shapes) -> None:
            _check_shapes(shapes, len(frames) if isinstance(frames, list) else None, where)

        arrays = read_arrays(Path(inside(folder, "layout.npz")), check)
        layout = cls.checked(data, arrays, where)
        for spec in layout.templates:
            spec.file = _stamp_file(folder, spec.file)
        return layout

    @classmethod
    def checked(cls, data: Mapping[str, Any], arrays: Mapping[str, Array], where: str) -> Layout:
        """Returns a layout of the values that layout.json holds and of its arrays, from anywhere.

        where: its name in messages. Raises UserError for missing, unknown and extreme values.
        """
        data = dict(data)
        _check_shapes({name: np.shape(array) for name, array in arrays.items()}, None, where)
        for name, array in arrays.items():
            _check_bounds(name, array, where)
        specs = objects_of(TemplateSpec, data, "templates", where)
        if double := data.keys() & BOUNDS.keys():
            raise UserError(f"{where}: unknown key {min(double)!r}")
        layout: Layout = from_dict(cls, {**data, **arrays, "templates": specs}, where)
        _check_facts(layout, where)
        return layout


def _shapes(frames: int, count: int) -> Shapes:
    """Returns the shapes of a layout's arrays by name."""
    moving = dict.fromkeys((*MOVING, "depth"), (frames, count))
    return {**moving, "color": (frames, count, 3), **dict.fromkeys(FIXED, (count,)), "level": (count, 2)}


def _check_shapes(shapes: Shapes, frames: int | None, where: str) -> None:
    """Raises UserError unless these are the shapes of a layout's arrays. frames: None = as they say themselves."""
    for name in shapes:
        if name not in BOUNDS:
            raise UserError(f"{where}: unknown key {quoted(name)}; known are {', '.join(sorted(BOUNDS))}")
    for name in (*MOVING, *FIXED):
        if name not in shapes:
            raise UserError(f"{where}: the array {name!r} is missing: fit it again")
    count = shapes["template"][0] if shapes["template"] else 0
    if count > MOST_PRIMITIVES:
        raise UserError(f"{where}: {count:,} primitives are more than {MOST_PRIMITIVES:,}: fit fewer")
    needed = _shapes((shapes["x"] or (0,))[0] if frames is None else frames, count)
    for name, shape in shapes.items():
        if shape != needed[name]:
            raise UserError(f"The layout's {name} has the shape {shape}, but {needed[name]} is needed")


def _check_bounds(name: str, array: Array, where: str) -> None:
    if array.dtype.kind not in "fiub":
        raise UserError(f"The layout's {name} is not an array of numbers")
    if not array.size:
        return
    least, most = array.min().item(), array.max().item()
    low, high = BOUNDS[name]
    if not (np.isfinite(least) and np.isfinite(most)):
        raise UserError(f"{where}: {name} holds values that are not finite numbers: fit it again")
    if least < low or most > high:
        value = least if least < low else most
        called = "a mip level" if name == "level" else name
        raise UserError(f"{where}: {called} is {value:g}, but it must be from {low:g} to {high:g}: fit it again")


def _check_facts(layout: Layout, where: str) -> None:
    """Raises UserError for extreme values of a layout besides its arrays."""
    frames = layout.frames
    if not frames or any(after <= before for before, after in itertools.pairwise(frames)):
        raise UserError(f"{where}: frames is {quoted(frames)}, but one number or more, in order, are needed")
    check_range(f"{where}: frames", frames[0], -_LAST_FRAME, _LAST_FRAME)
    check_range(f"{where}: frames", frames[-1], -_LAST_FRAME, _LAST_FRAME)
    for value in layout.background:
        check_range(f"{where}: background", value, 0.0, 1.0)
    if len(layout.templates) > MOST_STAMPS:
        raise UserError(f"{where}: {len(layout.templates):,} stamps are more than {MOST_STAMPS:,}: fit fewer")
    for spec in layout.templates:
        if len(spec.name) > MOST_LETTERS:
            raise UserError(f"{where}: a stamp has the name {quoted(spec.name)}: give it a short name")
        if min(spec.width, spec.height) < 1:
            raise UserError(f"{where}: the stamp {quoted(spec.name)} has no size: fit it again")
        for name in ("width", "height"):
            check_range(f"{where}: {name} of the stamp {quoted(spec.name)}", getattr(spec, name), 1, MAX_SIDE)


def _stamp_file(folder: Path, name: str) -> str:
    """Returns the path of a layout's stamp. A recording shows the stamps of the result folder that it lies in."""
    home = Path(os.path.abspath(folder))
    if home.name == _RECORDING and name.startswith("../templates/") and (home.parent / "layout.json").is_file():
        return inside(home.parent / "templates", name.removeprefix("../templates/"))
    return inside(folder, name)


LevelKey = tuple[int, int, int]
"""A mip level: template, level along u, level along v."""


class LevelPlace(NamedTuple):
    """Where the picture of a mip level lies: RGBA, 8 bit, with LEVEL_PADDING texels around, which count."""

    file: Path
    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0  # 0 = the whole file

    @property
    def cut(self) -> tuple[slice, slice] | None:
        """The rows and the columns of the picture in its file; None = all."""
        return (slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)) if self.height else None


def level_places(folder: Path, keys: Iterable[LevelKey]) -> dict[LevelKey, LevelPlace]:
    """Returns where a layout folder has the pictures of its levels; earlier versions wrote a file for each.

    Raises UserError where a list of places cannot be read.
    """
    found: dict[LevelKey, LevelPlace] = {}
    for path in sorted(folder.glob("levels/*.json")):
        rows = read_json(path).get("levels")
        for row in rows if isinstance(rows, list) else [rows]:
            if not isinstance(row, list) or len(row) != 7 or not all(type(n) is int and 0 <= n <= _FAR for n in row):
                raise UserError(f"{path} is not of this version: fit it again")
            if min(row[5:]) <= 2 * LEVEL_PADDING:
                raise UserError(f"{path} has a level without texels: fit it again")
            found[row[0], row[1], row[2]] = LevelPlace(path.with_suffix(".png"), *row[3:])
    return {key: found.get(key) or LevelPlace(Path(inside(folder, level_file(*key)))) for key in keys}


def level_file(template: int, level_u: int, level_v: int) -> str:
    """Returns the name of a mip level's picture in a layout folder of an earlier version."""
    return f"levels/{template:03d}_{level_u}x{level_v}.png"
