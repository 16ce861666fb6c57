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
- Order: index 0 is the front.
- level: mip level per axis (u, v), two levels per octave: the bitmap has round(size * 2^(-level / 2)) texels, at least 1.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

SCHEMA = 1
MODES = ("tint", "mix", "multiply")
SPACES = ("display", "linear")
ENGINES = ("auto", "cpu", "reference")
RECIPES = ("default",)

MAX_COUNT = 1_000_000
MAX_SIZE = 8192
"""Longest side of a canvas, px."""

LEVEL_PADDING = 1
"""Transparent texels around every bitmap in a layout's levels/ folder, so that no edge rule of a renderer matters."""

Array = NDArray[Any]


class UserError(Exception):
    """Something the user can mend.

    message: one sentence that names what is wrong and what to do.
    action: the mending step by name, "" where there is none: "install", "use_cpu", "halve_size", "show_log".
    """

    def __init__(self, message: str, action: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.action = action


# --- what a fit is asked to do ---------------------------------------------------------------------------------------


@dataclass
class TemplateSpec:
    """One stamp of a job or layout. file: relative to its folder, or absolute. width, height: px, 0 = not yet read."""

    file: str
    name: str = ""
    mode: Literal["tint", "mix", "multiply"] = "tint"
    blend: float = 0.0
    width: int = 0
    height: int = 0

    def __post_init__(self) -> None:
        _check_choice("mode", self.mode, MODES)
        _check_range("blend", self.blend, 0.0, 1.0)


@dataclass
class Settings:
    """Every setting of a fit."""

    count: int = 1000  # primitives
    size: int = 512  # longer side of the canvas, px
    iterations: int = 100
    seed: int = 0
    recipe: str = "default"
    engine: str = "auto"
    space: str = "display"  # in which the stamps are composited
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)  # display-encoded; judged on, not trained on
    threads: int = 0  # 0 = one per core
    preview_seconds: float = 1.0  # time between previews; 0 = none

    def __post_init__(self) -> None:
        _check_range("count", self.count, 1, MAX_COUNT)
        _check_range("size", self.size, 1, MAX_SIZE)
        _check_range("iterations", self.iterations, 1, 1_000_000)
        _check_range("seed", self.seed, 0, 2**31 - 1)
        _check_choice("recipe", self.recipe, RECIPES)
        _check_choice("engine", self.engine, ENGINES)
        _check_choice("space", self.space, SPACES)
        _check_range("threads", self.threads, 0, 1024)
        _check_range("preview_seconds", self.preview_seconds, 0.0, 86400.0)
        if len(self.background) != 3:
            raise UserError(f"background is {self.background!r}, but three numbers from 0 to 1 are needed")
        for value in self.background:
            _check_range("background", value, 0.0, 1.0)


@dataclass
class Job:
    """A target, stamps and settings. Paths are relative to the job's folder, or absolute; "" = none.

    mask: a grey picture that says where the target counts (white) and where nothing is placed (black).
    start: a layout folder to continue from.
    """

    target: str
    templates: list[TemplateSpec]
    settings: Settings = field(default_factory=Settings)
    mask: str = ""
    start: str = ""

    def __post_init__(self) -> None:
        if not self.templates:
            raise UserError("There is no stamp: give at least one picture to make the target of")

    def save(self, folder: Path) -> None:
        """Writes job.json into the folder; the pictures it names are the caller's to write."""
        write_json(folder / "job.json", {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def load(cls, folder: Path) -> Job:
        """Reads a job folder; its paths come back absolute. Raises UserError for anything unknown or of a wrong type."""
        data = read_json(folder / "job.json")
        where = str(folder / "job.json")
        settings = from_dict(Settings, data.pop("settings", {}), where)
        specs = [from_dict(TemplateSpec, item, where) for item in data.pop("templates", [])]
        job = from_dict(cls, {**data, "templates": specs, "settings": settings}, where)
        job.target = _absolute(folder, job.target)
        job.mask = _absolute(folder, job.mask)
        job.start = _absolute(folder, job.start)
        for spec in job.templates:
            spec.file = _absolute(folder, spec.file)
        return job


# --- what comes back -------------------------------------------------------------------------------------------------

_PER_FRAME = ("x", "y", "scale", "aspect", "rotation", "opacity")
_PER_PRIMITIVE = {"template": np.int32, "region": np.int32, "mirror": np.bool_, "locked": np.bool_}


@dataclass
class Layout:
    """All primitives, front first, over F frames. A saved layout can be rendered, built and exported without its job."""

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
    fps: float = 24.0
    frames: list[int] = field(default_factory=lambda: [1])

    def __post_init__(self) -> None:
        _check_choice("space", self.space, SPACES)
        count, shots = len(self.template), len(self.frames)
        for name in _PER_FRAME:
            self._convert(name, np.float32, (shots, count))
        self._convert("color", np.float32, (shots, count, 3))
        self._convert("level", np.int32, (count, 2))
        for name, kind in _PER_PRIMITIVE.items():
            self._convert(name, kind, (count,))
        if count and not 0 <= int(self.template.min()) <= int(self.template.max()) < len(self.templates):
            raise UserError(f"The layout uses a stamp that it does not have: it has {len(self.templates)}")

    def _convert(self, name: str, kind: Any, shape: tuple[int, ...]) -> None:
        array = np.ascontiguousarray(getattr(self, name), dtype=kind)
        if array.shape != shape:
            raise UserError(f"The layout's {name} has the shape {array.shape}, but {shape} is needed")
        setattr(self, name, array)

    @property
    def count(self) -> int:
        return len(self.template)

    def save(self, folder: Path) -> None:
        """Writes layout.npz and layout.json into the folder; the stamps' pictures are the caller's to write."""
        arrays = {name: getattr(self, name) for name in (*_PER_FRAME, "color", "level", *_PER_PRIMITIVE)}
        with written_aside(folder / "layout.npz") as path, open(path, "wb") as file:
            np.savez(file, **arrays)
        meta = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in arrays}
        write_json(folder / "layout.json", {"schema": SCHEMA, **meta, "templates": [asdict(t) for t in self.templates]})

    @classmethod
    def load(cls, folder: Path) -> Layout:
        """Reads a layout folder; the stamps' paths come back absolute. Raises UserError where it is not whole."""
        data = read_json(folder / "layout.json")
        where = str(folder / "layout.json")
        specs = [from_dict(TemplateSpec, item, where) for item in data.pop("templates", [])]
        path = folder / "layout.npz"
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = dict(archive)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{path} cannot be read as a layout: {error}") from error
        layout = from_dict(cls, {**data, **arrays, "templates": specs}, where)
        for spec in layout.templates:
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


@dataclass
class Log:
    text: str


@dataclass
class Error:
    message: str
    action: str = ""


@dataclass
class Done:
    out: str  # folder of the layout
    cancelled: bool = False


Event = Progress | Log | Error | Done
_EVENTS: dict[str, type[Event]] = {"progress": Progress, "log": Log, "error": Error, "done": Done}


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


COMMANDS = ("fit", "pause", "continue", "cancel", "quit")


@dataclass
class Command:
    """A line that the worker is told. job, out: folders, of fit only."""

    command: str
    job: str = ""
    out: str = ""

    def __post_init__(self) -> None:
        _check_choice("command", self.command, COMMANDS)

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, line: str) -> Command:
        try:
            data = json.loads(line)
        except ValueError as error:
            raise UserError(f"Not a command: {line[:200]!r}") from error
        return from_dict(cls, data, "command")


# --- files and checks ------------------------------------------------------------------------------------------------


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` and renames it there at the end; after an error nothing is left behind.

    Raises UserError where the folder cannot be written to or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise UserError(f"{path.parent} cannot be written to ({error.strerror}): choose another folder") from error
    aside = Path(name)
    try:
        yield aside
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    except OSError as error:
        raise UserError(f"{path} could not be written ({error.strerror}): free some space or choose another folder") from error
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_aside(folder: Path) -> Iterator[Path]:
    """Gives an empty folder beside `folder` and renames it there at the end, in place of an older one.

    After an error the older one is as it was. Raises UserError where the place cannot be written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise UserError(f"{folder.parent} cannot be written to ({error.strerror}): choose another folder") from error
    try:
        yield aside
        os.chmod(aside, 0o777 & ~_umask())
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            os.replace(folder, old / "old")
            os.replace(aside, folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(aside, folder)
    except OSError as error:
        raise UserError(f"{folder} could not be written ({error.strerror}): free some space or choose another folder") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_json(path: Path, data: dict[str, Any]) -> None:
    with written_aside(path) as aside:
        aside.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of this schema, without its schema number. Raises UserError if there is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(data, dict) or data.pop("schema", None) != SCHEMA:
        raise UserError(f"{path} is not of this version: schema {SCHEMA} is needed")
    return data


def from_dict(kind: type[Any], data: Any, where: str) -> Any:
    """Makes a dataclass of a JSON object. Unknown keys, missing keys and wrong types raise a UserError that names them."""
    if not isinstance(data, dict):
        raise UserError(f"{where}: {data!r} is not an object with the keys of {kind.__name__}")
    known = {f.name for f in fields(kind)}
    for key in data:
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}")
    hints = get_type_hints(kind)
    values = {key: _typed(key, value, hints[key], where) for key, value in data.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise UserError(f"{where}: {error}") from error


def _typed(key: str, value: Any, hint: Any, where: str) -> Any:
    if hint is float and type(value) is int:
        return float(value)
    if hint in (int, float, str, bool) and type(value) is not hint:
        raise UserError(f"{where}: {key} is {value!r}, but a value of type {hint.__name__} is needed")
    if hint == tuple[float, float, float]:
        if not isinstance(value, (list, tuple)) or not all(type(v) in (int, float) for v in value):
            raise UserError(f"{where}: {key} is {value!r}, but three numbers are needed")
        return tuple(float(v) for v in value)
    if get_args(hint) and all(isinstance(arg, str) for arg in get_args(hint)):
        _check_choice(key, value, get_args(hint))
    return value


def _check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UserError(f"{name} is {value!r}, but must be one of {', '.join(allowed)}")


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise UserError(f"{name} is {value:g}, but must be from {least:g} to {most:g}")


def _absolute(folder: Path, name: str) -> str:
    return str(folder / name) if name else ""


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
