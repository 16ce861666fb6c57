"""What an export can be told. Standard library only: the add-on imports it by way of backend.job."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import UserError
from .schema import SCHEMA, check_choice, check_range, from_dict, read_json, write_json
from .settings import check_engine

MAX_WIDTH = 16384
"""Longer side of an exported picture, px."""

MAX_LAYERS = 8000
"""Layers and groups that Photoshop opens in one file."""

GROUPINGS = ("none", "depth", "stamp", "region")
"""Layers in one list; in bands from the back to the front; by their stamp; by their region."""

CLIP_FORMS = ("first", "groups", "files")
"""What a still format makes of a clip: its first frame, a group of layers for each frame, a file for each frame."""

BITS = (8, 16)

ENDINGS = (".psd", ".psb", ".ora", ".png", ".svg", ".json", ".gif", ".webp", ".mp4")
"""By which a file's format is known. A path without an ending is a folder of PNGs, one a layer, and their JSON."""

STAGE = ".diffbmp-"
"""How the hidden folder's name begins in which an export is written."""

LAYERED = (".psd", ".psb", ".ora", "")
"""Endings of formats that hold a layer per primitive, in groups."""

MOVING = (".json", ".gif", ".webp", ".mp4")
"""Endings of formats that hold all frames of a clip."""


@dataclass(frozen=True)
class ExportSettings:
    """Every setting of an export. Those that a format has no use for change nothing."""

    width: int = 0  # of the picture, px; 0 = the canvas's
    frames: tuple[int, int] | None = (
        None  # of a clip: the first and the last, by their numbers in the scene; None = all
    )
    clip: str = "first"  # of CLIP_FORMS
    grouping: str = "depth"  # of GROUPINGS
    band: int = 100  # layers of a group "depth", at most
    background: bool = True  # a layer in the canvas's colour behind all others, unless the canvas is transparent
    overlay: bool = False  # tinted layers carry their colour as an editable effect, too
    most_layers: int = MAX_LAYERS  # layers and groups, at most
    flatten: bool = False  # where there would be more, the least visible ones are merged with their neighbours
    transparent: bool | None = None  # pictures leave the background out; None = as the canvas does
    bits: int = 8  # of a PNG's channels
    supersample: int = 1  # n x n samples a pixel
    fps: float = 0.0  # of what moves; 0 = the clip's
    loops: int = 0  # how often an animated picture plays; 0 = for ever
    quality: int = 90  # of lossy pictures and movies, 1 to 100
    resolution: float = 72.0  # pixels per inch, as the file says
    engine: str = "auto"
    threads: int = 0  # 0 = one per core

    def __post_init__(self) -> None:
        if self.width:
            check_range("width", self.width, 1, MAX_WIDTH)
        if self.frames is not None and self.frames[0] > self.frames[1]:
            raise UserError(f"frames is {self.frames[0]}-{self.frames[1]}: give the first one first")
        check_choice("clip", self.clip, CLIP_FORMS)
        check_choice("grouping", self.grouping, GROUPINGS)
        check_range("band", self.band, 1, 100_000)
        check_range("most_layers", self.most_layers, 1, 30_000)
        if self.bits not in BITS:
            raise UserError(f"bits is {self.bits}, but must be 8 or 16")
        check_range("supersample", self.supersample, 1, 8)
        if self.fps:
            check_range("fps", self.fps, 0.1, 240.0)
        check_range("loops", self.loops, 0, 65_535)
        check_range("quality", self.quality, 1, 100)
        check_range("resolution", self.resolution, 1.0, 10_000.0)
        check_engine(self.engine)
        check_range("threads", self.threads, 0, 1024)


@dataclass
class ExportJob:
    """A layout's folder and how it is written; the worker is told the file. The path is absolute.

    token: names the folder STAGE + token beside the file, which whoever kills the worker removes.
    """

    layout: str
    settings: ExportSettings = field(default_factory=ExportSettings)
    token: str = ""

    def save(self, folder: Path) -> None:
        """Writes export.json into the folder."""
        write_json(folder / "export.json", {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def load(cls, folder: Path) -> ExportJob:
        """Reads it back. Raises UserError for what is unknown or of a wrong type."""
        job: ExportJob = from_dict(cls, read_json(folder / "export.json"), str(folder / "export.json"))
        return job
