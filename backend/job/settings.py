"""What a fit can be told: how each stamp may be used, and every setting of the fit. Standard library only.

The add-on imports it by way of backend.job, whose conventions hold here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import UserError
from .schema import check_choice, check_range, from_dict

MODES = ("tint", "mix", "multiply")
SPACES = ("display", "linear")
ENGINES = ("auto", "cuda", "cpu", "reference")
"""Beside "cuda", which is the first card that works, "cuda:1" and so on are cards by their number."""
RECIPES = ("default", "paper")
USAGES = ("free", "shares")
ORDERS = ("free", "small_front", "large_front")
LOCKABLE = ("position", "scale", "stretch", "rotation", "opacity", "color")

REGION_SETTINGS = ("losses", "palette", "palette_size", "usage", "spacing", "order", "containment")
"""Those of Settings that a region may have of its own."""

MAX_COUNT = 1_000_000
MAX_SIZE = 8192
"""Longest side of a canvas, px."""
MAX_SIDE = 16384
"""Longest side of a picture that is read, px."""
MAX_STRETCH = 50.0
MAX_RECORDING = 10_000
LEAST_WEIGHT = 1e-6
"""Of a loss, unless it is 0: weights are divided by each other."""

PRESETS: dict[str, dict[str, Any]] = {
    "draft": {"iterations": 30},
    "normal": {"iterations": 100},
    "high": {"iterations": 400},
}
"""Settings by name. A fit's schedules stretch over its iterations, so each of them ends settled."""

Color = tuple[float, float, float]
Range = tuple[float, float]


@dataclass(frozen=True)
class Limits:
    """What a stamp may do in a fit, and how often it may be used."""

    stretch: float = 1.0  # longer axis : shorter axis relative to the stamp's own shape, at most; 1 = keeps its shape
    mirror: bool = False  # may be flipped left to right
    size_range: Range = (0.0, 2.0)  # longer side of the stamp / longer side of the canvas
    rotation_range: Range = (-math.pi, math.pi)  # radians, clockwise; a full turn or more = free
    opacity_range: Range = (0.0, 1.0)  # (1, 1) = opaque only
    share: float = 1.0  # of the primitives, relative to the other stamps; where usage is "shares"
    most: int = 0  # primitives of this stamp at most; 0 = any number

    def __post_init__(self) -> None:
        check_range("stretch", self.stretch, 1.0, MAX_STRETCH)
        check_pair("size_range", self.size_range, 0.0, 2.0)
        check_pair("rotation_range", self.rotation_range, -4 * math.pi, 4 * math.pi)
        check_pair("opacity_range", self.opacity_range, 0.0, 1.0)
        check_range("share", self.share, 0.0, 1e6)
        check_range("most", self.most, 0, MAX_COUNT)
        if self.size_range[1] <= 0.0 or self.opacity_range[1] <= 0.0:
            raise UserError("A stamp whose size or opacity may not exceed 0 is never seen: raise the upper limit")


@dataclass
class TemplateSpec:
    """One stamp of a job or layout. file: relative to its folder, or absolute. width, height: px, 0 = not yet read."""

    file: str
    name: str = ""
    mode: Literal["tint", "mix", "multiply"] = "tint"
    blend: float = 0.0
    width: int = 0
    height: int = 0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, MODES)
        check_range("blend", self.blend, 0.0, 1.0)


@dataclass
class RegionSpec:
    """A part of a job's canvas with stamps of its own."""

    name: str
    mask: str  # a grey picture: white is the region. Relative to the job's folder, or absolute
    stamps: list[int] = field(default_factory=list)  # indices into the job's templates; none = all of them
    share: float = 0.0  # of the primitives, relative to those of other regions; 0 = by its area
    settings: dict[str, Any] = field(default_factory=dict)  # its own values of REGION_SETTINGS by name

    def __post_init__(self) -> None:
        check_range(f"The share of the region {self.name}", self.share, 0.0, 1e6)
        self.settings = _region_settings(self.name, self.settings)


@dataclass
class Settings:
    """Every setting of a fit that does not belong to one stamp."""

    count: int = 1000  # primitives
    size: int = 512  # longer side of the canvas, px
    iterations: int = 100
    time_limit: float = 0.0  # seconds of the fit: its schedules are hurried to end in time; 0 = none
    seed: int = 0
    recipe: str = "default"
    engine: str = "auto"
    space: str = "display"  # in which the stamps are composited
    background: Color = (1.0, 1.0, 1.0)  # display-encoded; judged on, not trained on
    transparent: bool = False  # nothing is behind the stamps; the background is what previews are judged on alone
    losses: dict[str, float] = field(default_factory=dict)  # weights by name (backend.losses); none = the recipe's
    palette: list[Color] = field(default_factory=list)  # the only colours that a primitive may have; none = any
    palette_size: int = 0  # that many colours are taken from the target; 0 = any colour
    usage: str = "free"  # of the stamps; "shares": the numbers of their primitives are as their limits' share
    spacing: float = 0.0  # between any two primitives' centres at least / longer side of the canvas
    order: str = "free"  # or "small_front", "large_front": which sizes lie in front
    containment: float = 1.0  # how much paint where it is to stay clear weighs, relative to errors that weigh most
    locked: list[str] = field(default_factory=list)  # of LOCKABLE: what stays as it is at the start, for all primitives
    added: int = 0  # primitives beside those of the layout that the fit continues from
    threads: int = 0  # 0 = one per core
    preview_seconds: float = 1.0  # time between previews; 0 = none
    recording: int = 0  # pictures of the fit's course that are kept; 0 = none

    def __post_init__(self) -> None:
        check_range("count", self.count, 1, MAX_COUNT)
        check_range("size", self.size, 1, MAX_SIZE)
        check_range("iterations", self.iterations, 1, 1_000_000)
        check_range("time_limit", self.time_limit, 0.0, 1e6)
        check_range("seed", self.seed, 0, 2**31 - 1)
        check_choice("recipe", self.recipe, RECIPES)
        check_engine(self.engine)
        check_choice("space", self.space, SPACES)
        check_choice("usage", self.usage, USAGES)
        check_choice("order", self.order, ORDERS)
        check_range("palette_size", self.palette_size, 0, 256)
        check_range("spacing", self.spacing, 0.0, 1.0)
        check_range("containment", self.containment, 0.01, 100.0)
        check_range("threads", self.threads, 0, 1024)
        check_range("preview_seconds", self.preview_seconds, 0.0, 86400.0)
        check_range("added", self.added, 0, MAX_COUNT)
        check_range("recording", self.recording, 0, MAX_RECORDING)
        for name in self.locked:
            check_choice("locked", name, LOCKABLE)
        for name, weight in self.losses.items():
            check_range(f"The weight of the loss {name}", weight, LEAST_WEIGHT if weight else 0.0, 1e6)
        _check_color("background", self.background)
        for color in self.palette:
            _check_color("palette", color)


def _region_settings(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the types that Settings has. Raises UserError for what a region cannot set, or wrong values."""
    for key in settings:
        if key not in REGION_SETTINGS:
            raise UserError(f"The region {name} sets {key!r}, but only these can be set: {', '.join(REGION_SETTINGS)}")
    checked = from_dict(Settings, settings, f"The region {name}")
    return {key: getattr(checked, key) for key in settings}


def _check_color(name: str, color: Color) -> None:
    if len(color) != 3:
        raise UserError(f"{name} is {color!r}, but three numbers from 0 to 1 are needed")
    for value in color:
        check_range(name, value, 0.0, 1.0)


def check_engine(engine: str) -> None:
    """Raises UserError for what is neither one of ENGINES nor a card by its number."""
    if not re.fullmatch(r"cuda:[0-9]{1,3}", engine):
        check_choice("engine", engine, ENGINES)


def check_pair(name: str, pair: Sequence[float], least: float, most: float) -> None:
    """Raises UserError unless it is a lower and an upper limit within [least, most]."""
    if len(pair) != 2 or not pair[0] <= pair[1]:
        raise UserError(f"{name} is {pair!r}, but a lower and an upper limit are needed")
    for value in pair:
        check_range(name, value, least, most)
