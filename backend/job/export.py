"""Settings of an export, by the standard library only: the add-on imports this module through backend.job."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from .errors import UserError, quoted
from .paths import inside
from .schema import SCHEMA, from_dict, read_json, write_json
from .setting import Choices, check, setting
from .settings import ENGINE_CARD, ENGINES, MAX_SIDE

MAX_WIDTH = MAX_SIDE
"""Longer side of an exported picture, px."""

MAX_LAYERS = 8000
"""Layers and groups that Photoshop opens in one file."""

GROUPINGS: Choices = {
    "depth": ("Depth", "Make bands of layers, from the front to the back"),
    "stamp": ("Stamp", "Put layers of the same stamp together where the picture stays the same"),
    "region": ("Region", "Put layers of the same region together"),
    "none": ("None", "Make one list of layers"),
}

CLIP_FORMS: Choices = {
    "first": ("First Frame", "Export only the first of the frames"),
    "groups": ("Groups", "Make one layered file with a group for each frame, the first one visible"),
    "files": ("Files", "Write a file for each frame, with its number in the name"),
}
"""Ways to export a clip in a still format."""

BITS: Choices = {8: ("8 bit", "Write 256 steps a channel"), 16: ("16 bit", "Write 65,536 steps a channel")}


@dataclass(frozen=True)
class Format:
    """The properties of a file format."""

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

_of_export = partial(setting, group="export")


@dataclass(frozen=True)
class ExportSettings:
    """All settings of an export. A format ignores those that it has no use for."""

    width: int = _of_export(0, "Width", "Set the width of the picture", (1, MAX_WIDTH), zero="as the canvas", unit="px")
    frames: tuple[int, int] | None = _of_export(None, "Frame Range", "Export only these frames of the scene")
    clip: str = _of_export("first", "Animation", "Choose how to export a clip", choices=CLIP_FORMS)
    grouping: str = _of_export("depth", "Groups", "Choose how to group layers", choices=GROUPINGS, option="--groups")
    band: int = _of_export(100, "Layers in a Group", "Limit the layers in a group of the same depth", (1, 100_000))
    background: bool = _of_export(True, "Background Layer", "Add a layer in the canvas's color, unless transparent")
    overlay: bool = _of_export(
        False, "Color Overlay", "Add the color of tinted stamps as an editable Photoshop effect; the look is the same"
    )
    most_layers: int = _of_export(
        MAX_LAYERS, "Layers", f"Limit the layers and groups by Flatten; Photoshop opens {MAX_LAYERS:,}", (1, 30_000)
    )
    flatten: bool = _of_export(
        False, "Flatten", "Merge the least visible stamps with their neighbors to limit the layers"
    )
    transparent: bool | None = _of_export(
        None, "Background", "Leave the background out of pictures, or put it in; neither = as the canvas"
    )
    bits: int = _of_export(8, "Depth", "Choose the bits per channel of a PNG", choices=BITS)
    supersample: int = _of_export(
        1, "Samples", "Set the samples along each side of a pixel; 3 looks like 16 in Cycles", (1, 8)
    )
    fps: float = _of_export(0.0, "Frame Rate", "Set the frames per second", (0.1, 240.0), zero="as the layout")
    loops: int = _of_export(0, "Repeats", "Set how often a GIF or WebP is played", (0, 65_535), zero="forever")
    quality: int = _of_export(90, "Quality", "Set the quality of MP4 and WebP files", (1, 100), unit="%")
    resolution: float = _of_export(72.0, "Resolution", "Set the pixels per inch", (1.0, 10_000.0), unit="ppi")
    engine: str = setting(
        "auto", "Engine", "Choose what renders; cuda:1 is a card by its number", choices=ENGINES, pattern=ENGINE_CARD
    )
    threads: int = setting(0, "Threads", "Limit the CPU threads", (0, 1024), zero="one per core")

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames[0] > self.frames[1]:
            raise UserError(f"frames is {self.frames[0]}-{self.frames[1]}: give the first one first")
        check(self)


@dataclass
class ExportJob:
    """The layout folder to export, as an absolute path, and the settings; the command names the output file.

    token: the hidden folder beside the file is STAGE + token, of letters, digits, - and _. Whoever kills the worker
    removes it.
    """

    layout: str
    settings: ExportSettings = field(default_factory=ExportSettings)
    token: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-]*", self.token):
            raise UserError(f"token is {quoted(self.token)}, but must be of letters, digits, - and _")

    def save(self, folder: Path) -> None:
        """Writes export.json into the folder."""
        write_json(folder / "export.json", {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def load(cls, folder: Path, outside: bool = False) -> ExportJob:
        """Reads export.json from the folder. outside: follows a path of the layout that leads out of the folder.

        Raises UserError for unknown keys, wrong types, and a path that is not allowed, see paths.inside.
        """
        path = Path(inside(folder, "export.json"))
        job: ExportJob = from_dict(cls, read_json(path), str(path))
        job.layout = inside(folder, job.layout, outside=outside, folders=True)
        return job
