"""The seam between Blender and the backend: jobs, layouts and events as files, lines and dataclasses.

Only the standard library and numpy are used here, because Blender's own Python imports this module too.

Conventions (they hold everywhere in the project):

- Canvas: pixels, x to the right, y down, origin at the top-left corner; the centre of the first pixel is (0.5, 0.5).
- Template: a bitmap stamp, straight (not premultiplied) RGBA, display-encoded sRGB. Its local square is [-1, 1]^2
  over its longer side. Primitive: one placed copy. Layout: all primitives (x frames).
- scale: half of the template's longer side on the canvas, px. The two axes are scale * sqrt(aspect) and
  scale / sqrt(aspect). rotation: radians, positive turns clockwise on screen. mirror flips the template left to right.
- opacity and color in [0, 1], color display-encoded. Colour of a sample = p + q * texture, per template mode:
  tint p = c, q = 0; mix p = (1 - b) c, q = b; multiply p = (1 - b) c, q = b c.
- Order: index 0 is the front, unless depth says otherwise.
- level: mip level per axis (u, v), two to an octave: the bitmap has round(size * 2^(-level / 2)) texels, at least 1.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .clip import Clip
from .exporting import (  # noqa: F401  the add-on takes all of it from here
    BITS,
    CLIP_FORMS,
    ENDINGS,
    GROUPINGS,
    LAYERED,
    MAX_LAYERS,
    MAX_WIDTH,
    MOVING,
    STAGE,
    ExportJob,
    ExportSettings,
)
from .files import SCHEMA, UserError, check_choice, check_range, from_dict, read_json, write_json, written_aside
from .settings import (  # noqa: F401  the add-on takes all of it from here
    ENGINES,
    LOCKABLE,
    MAX_COUNT,
    MAX_RECORDING,
    MAX_SIZE,
    MAX_STRETCH,
    MODES,
    ORDERS,
    PRESETS,
    RECIPES,
    REGION_SETTINGS,
    SPACES,
    USAGES,
    Color,
    Limits,
    RegionSpec,
    Settings,
    TemplateSpec,
)

LEVEL_PADDING = 1
"""Transparent texels around every bitmap in a layout's levels/ folder, so that no edge rule of a renderer matters."""

IMPORTANCE = 8.0
"""How many times as much as black the white of an importance picture weighs."""

Array = NDArray[Any]


# --- what a fit is asked to do ---------------------------------------------------------------------------------------


@dataclass
class Job:
    """A target, stamps and settings. Paths are relative to the job's folder, or absolute; "" = none.

    mask: a grey picture that says where the target counts (white) and where nothing is placed (black).
    importance: a grey picture that says where errors weigh more (white: IMPORTANCE times as much as black).
    start: a layout folder to continue from.
    regions: parts of the canvas with stamps of their own, the front one first; mask holds for all of them.
    clip: None = the target is a picture. Else it is a movie, an animated picture, a folder of pictures, or the first
    picture of a numbered sequence, and so may be each mask; one that is a picture holds for all frames.
    """

    target: str
    templates: list[TemplateSpec]
    settings: Settings = field(default_factory=Settings)
    mask: str = ""
    importance: str = ""
    start: str = ""
    regions: list[RegionSpec] = field(default_factory=list)
    clip: Clip | None = None

    def __post_init__(self) -> None:
        if not self.templates:
            raise UserError("There is no stamp: give at least one picture to make the target of")
        for region in self.regions:
            wrong = [index for index in region.stamps if not 0 <= index < len(self.templates)]
            if wrong:
                raise UserError(
                    f"The region {region.name} uses the stamp {wrong[0]}, but they are 0 to {len(self.templates) - 1}"
                )
        if self.regions and self.start:
            raise UserError("A fit of regions cannot continue from a layout: leave out one of the two")

    def save(self, folder: Path) -> None:
        """Writes job.json into the folder; the pictures it names are the caller's to write."""
        write_json(folder / "job.json", {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def load(cls, folder: Path) -> Job:
        """Reads a job folder; its paths come back absolute. Raises UserError for what is unknown or of a wrong type."""
        data = read_json(folder / "job.json")
        where = str(folder / "job.json")
        settings = from_dict(Settings, data.pop("settings", {}), where)
        specs = _objects(TemplateSpec, data, "templates", where)
        regions = _objects(RegionSpec, data, "regions", where)
        job = from_dict(cls, {**data, "templates": specs, "settings": settings, "regions": regions}, where)
        job.target = _absolute(folder, job.target)
        job.mask = _absolute(folder, job.mask)
        job.importance = _absolute(folder, job.importance)
        job.start = _absolute(folder, job.start)
        for spec in job.templates:
            spec.file = _absolute(folder, spec.file)
        for region in job.regions:
            region.mask = _absolute(folder, region.mask)
        return job


# --- what comes back -------------------------------------------------------------------------------------------------

_PER_FRAME = ("x", "y", "scale", "aspect", "rotation", "opacity")
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
    depth: Array | None = None  # [F, N] int32: the least is in front; None = index 0 is

    def __post_init__(self) -> None:
        check_choice("space", self.space, SPACES)
        check_range("fps", self.fps, 1e-3, 1e4)
        check_range("width", self.width, 1, MAX_SIZE)
        check_range("height", self.height, 1, MAX_SIZE)
        count, shots = np.size(self.template), len(self.frames)
        for name in _PER_FRAME:
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
        """Indices of the primitives of a frame, by its number from 0, front first: [N] int64."""
        return np.arange(self.count) if self.depth is None else np.argsort(self.depth[frame], kind="stable")

    def only(self, frames: Sequence[int]) -> Layout:
        """The same with these of its frames, by their numbers from 0."""
        index = list(frames)
        arrays = {name: getattr(self, name)[index] for name in (*_PER_FRAME, "color")}
        depth = None if self.depth is None else self.depth[index]
        return replace(self, **arrays, depth=depth, frames=[self.frames[i] for i in index])

    def save(self, folder: Path) -> None:
        """Writes layout.npz and layout.json into the folder; the stamps' pictures are the caller's to write."""
        names = (*_PER_FRAME, "color", "level", *_PER_PRIMITIVE, *([] if self.depth is None else ["depth"]))
        arrays = {name: getattr(self, name) for name in names}
        # By way of memory: on a full disk an archive that is being written would complain a second time.
        archive = io.BytesIO()
        np.savez(archive, **arrays)
        with written_aside(folder / "layout.npz") as path:
            path.write_bytes(archive.getbuffer())
        meta = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in (*arrays, "depth")}
        write_json(folder / "layout.json", {"schema": SCHEMA, **meta, "templates": [asdict(t) for t in self.templates]})

    @classmethod
    def load(cls, folder: Path) -> Layout:
        """Reads a layout folder; the stamps' paths come back absolute. Raises UserError where it is not whole."""
        data = read_json(folder / "layout.json")
        where = str(folder / "layout.json")
        specs = _objects(TemplateSpec, data, "templates", where)
        path = folder / "layout.npz"
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = dict(archive)
        # RuntimeError: what zipfile says of encrypted files and of compressions that it does not know.
        except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"{path} cannot be read as a layout: {error}") from error
        layout = from_dict(cls, {**data, **arrays, "templates": specs}, where)
        if not all(np.isfinite(getattr(layout, name)).all() for name in (*_PER_FRAME, "color")):
            raise UserError(f"{path} holds values that are not finite numbers: fit it again")
        for spec in layout.templates:
            if min(spec.width, spec.height) < 1:
                raise UserError(f"{where}: the stamp {spec.name!r} has no size: fit it again")
            spec.file = _absolute(folder, spec.file)
        return layout


def level_file(template: int, level_u: int, level_v: int) -> str:
    """Name of one mip level's picture in a layout folder: RGBA, 8 bit, with LEVEL_PADDING texels around it."""
    return f"levels/{template:03d}_{level_u}x{level_v}.png"


# --- what is said meanwhile: one JSON object a line ------------------------------------------------------------------


@dataclass
class Progress:
    step: int
    total: int
    loss: float
    psnr: float  # dB, of the latest preview
    seconds_left: float
    preview: str = ""  # path of a picture, "" = none yet
    frame: int | None = None  # of the scene, that is worked on; of clips, which have no loss as a whole


@dataclass
class Exporting:
    done: int  # of total: layers, rows or frames
    total: int


@dataclass
class Log:
    text: str


@dataclass
class Error:
    message: str
    action: str = ""


@dataclass
class Done:
    out: str  # folder of the layout, or what was exported; "" = cancelled before there was any
    cancelled: bool = False
    remarks: list[str] = field(default_factory=list)  # what the user should know of it


Event = Progress | Exporting | Log | Error | Done
_EVENTS: dict[str, type[Event]] = {
    "progress": Progress,
    "exporting": Exporting,
    "log": Log,
    "error": Error,
    "done": Done,
}


def encode_event(event: Event) -> str:
    """The event as one line of JSON, without the line's end."""
    return json.dumps({"event": type(event).__name__.lower(), **asdict(event)})


def decode_event(line: str) -> Event:
    """The event that a line of JSON holds. Raises UserError if it holds none."""
    try:
        data = json.loads(line)
        kind = _EVENTS[data.pop("event")]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"The backend said something that is not an event: {line[:200]!r}") from error
    return from_dict(kind, data, "event")


COMMANDS = ("fit", "export", "pause", "continue", "cancel", "quit")


@dataclass
class Command:
    """A line that the worker is told. job: folder of fit and export. out: a folder of fit, the file of export."""

    command: str
    job: str = ""
    out: str = ""

    def __post_init__(self) -> None:
        check_choice("command", self.command, COMMANDS)

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, line: str) -> Command:
        try:
            data = json.loads(line)
        except ValueError as error:
            raise UserError(f"Not a command: {line[:200]!r}") from error
        return from_dict(cls, data, "command")


def _objects(kind: type, data: dict[str, Any], name: str, where: str) -> list[Any]:
    """Takes a list of objects out of a JSON object."""
    items = data.pop(name, [])
    if not isinstance(items, list):
        raise UserError(f"{where}: {name} is {items!r}, but a list of objects is needed")
    return [from_dict(kind, item, where) for item in items]


def _absolute(folder: Path, name: str) -> str:
    return str(folder / name) if name else ""
