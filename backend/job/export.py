"""What an export can be told. Standard library only: the add-on imports it by way of backend.job."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from .errors import UserError
from .schema import SCHEMA, from_dict, read_json, write_json
from .setting import Choices, check, setting
from .settings import ENGINE_CARD, ENGINES, MAX_SIDE

MAX_WIDTH = MAX_SIDE
"""Longer side of an exported picture, px."""

MAX_LAYERS = 8000
"""Layers and groups that Photoshop opens in one file."""

GROUPINGS: Choices = {
    "depth": ("Depth", "Make bands of layers, from the front to the back"),
    "stamp": ("Stamp", "Put layers of the same stamp together, as far as the picture stays the same"),
    "region": ("Region", "Put layers of the same region together"),
    "none": ("None", "Make one list of layers"),
}

CLIP_FORMS: Choices = {
    "first": ("First Frame", "Export only the first of the frames"),
    "groups": ("Groups", "Make a group for each frame in one file with layers, of which the first is visible"),
    "files": ("Files", "Write a file for each frame, with its number in the name"),
}
"""What a still format makes of a clip."""

BITS: Choices = {8: ("8 bit", "Write 256 steps a channel"), 16: ("16 bit", "Write 65,536 steps a channel")}


@dataclass(frozen=True)
class Format:
    """What the export needs to know of a file format."""

    module: str  # in backend/export/formats, where it is written
    layered: bool = False  # holds a layer for each primitive, in groups
    moving: bool = False  # holds all frames of a clip
    recomposited: bool = False  # other programs composite its primitives anew


FORMATS = {
    ".psd": Format("psd", layered=True, recomposited=True),
    ".psb": Format("psd", layered=True, recomposited=True),
    ".ora": Format("ora", layered=True, recomposited=True),
    ".png": Format("picture"),
    ".svg": Format("svg", recomposited=True),
    ".json": Format("layout_json", moving=True),
    ".gif": Format("animation", moving=True),
    ".webp": Format("animation", moving=True),
    ".mp4": Format("animation", moving=True),
    "": Format("folder", layered=True, recomposited=True),
}
"""Formats by the ending of a file's name. A path without one is a folder of PNGs, one a layer, and their JSON."""

STAGE = ".diffbmp-"
"""How the hidden folder's name begins in which an export is written."""

_of_export = partial(setting, group="export")


@dataclass(frozen=True)
class ExportSettings:
    """Every setting of an export. Those that a format has no use for change nothing."""

    width: int = _of_export(0, "Width", "Set the width of the picture", (1, MAX_WIDTH), zero="as the canvas", unit="px")
    frames: tuple[int, int] | None = _of_export(
        None, "Frame Range", "Export only these frames of what moves, by their numbers in the scene"
    )
    clip: str = _of_export("first", "Animation", "Choose what becomes of a layout that moves", choices=CLIP_FORMS)
    grouping: str = _of_export(
        "depth", "Groups", "Choose what layers are put together by", choices=GROUPINGS, option="--groups"
    )
    band: int = _of_export(100, "Layers in a Group", "Limit the layers in a group of the same depth", (1, 100_000))
    background: bool = _of_export(
        True, "Background Layer", "Add a layer in the canvas's color behind all others, unless that is transparent"
    )
    overlay: bool = _of_export(
        False,
        "Color Overlay",
        "Give layers of tinted stamps their color as a Photoshop effect, too, by which it can be changed; without it, "
        "they look the same",
    )
    most_layers: int = _of_export(
        MAX_LAYERS, "Layers", f"Limit the layers and groups, with Flatten. Photoshop opens {MAX_LAYERS:,}", (1, 30_000)
    )
    flatten: bool = _of_export(
        False, "Flatten", "Merge the least visible stamps with their neighbors, so that there are few enough layers"
    )
    transparent: bool | None = _of_export(
        None, "Background", "Leave the background out of pictures, or put it in; neither = as the canvas is"
    )
    bits: int = _of_export(8, "Depth", "Choose the bits of a color channel of a PNG", choices=BITS)
    supersample: int = _of_export(
        1, "Samples", "Set the samples along each side of a pixel; 3 is as Cycles with 16 samples", (1, 8)
    )
    fps: float = _of_export(
        0.0, "Frame Rate", "Set the frames per second of what moves", (0.1, 240.0), zero="as the layout has"
    )
    loops: int = _of_export(0, "Repeats", "Set how often a GIF or WebP is played", (0, 65_535), zero="for ever")
    quality: int = _of_export(
        90, "Quality", "Set the quality of MP4 and WebP: more is better and larger", (1, 100), unit="%"
    )
    resolution: float = _of_export(
        72.0, "Resolution", "State the pixels per inch, for printing", (1.0, 10_000.0), unit="ppi"
    )
    engine: str = setting(
        "auto", "Engine", "Choose what renders; cuda:1 is a card by its number", choices=ENGINES, pattern=ENGINE_CARD
    )
    threads: int = setting(0, "Threads", "Set how many threads of the processor to use", (0, 1024), zero="one per core")

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames[0] > self.frames[1]:
            raise UserError(f"frames is {self.frames[0]}-{self.frames[1]}: give the first one first")
        check(self)


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
