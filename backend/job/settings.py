"""What a fit can be told: how each stamp may be used, and every setting of the fit. Standard library only.

The add-on imports it by way of backend.job, whose conventions hold here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from .errors import UserError
from .schema import from_dict
from .setting import Choices, check, check_value, setting, settings_of

MODES: Choices = {
    "tint": ("Tint", "Use a stamp as a shape in one color, which is found"),
    "mix": ("Mix", "Mix a stamp's own colors with the color that is found"),
    "multiply": ("Multiply", "Multiply a stamp's own colors by the color that is found"),
}
SPACES: Choices = {
    "display": ("Display", "Blend the stamps as Photoshop and Krita do, in display-encoded numbers"),
    "linear": ("Linear", "Blend the stamps as light, as Blender does by default"),
}
ENGINES: Choices = {
    "auto": ("Automatic", "Use the fastest engine that works on this computer"),
    "cuda": ("CUDA", "Use the first NVIDIA graphics card that works"),
    "cpu": ("CPU", "Use the processor"),
    "reference": ("Reference", "Use plain PyTorch: slow, for comparison"),
}
"""Beside "cuda", "cuda:1" and so on are cards by their number."""
RECIPES: Choices = {
    "default": ("Default", "Move stamps that are of little use to where they are needed most"),
    "paper": ("Published", "Fit as the method was published: a soft texture of large, half-transparent stamps"),
}
USAGES: Choices = {
    "free": ("As Needed", "Use each stamp wherever it fits best"),
    "shares": ("By Share", "Use each stamp as often as its share says: equally often where all shares are 1"),
}
ORDERS: Choices = {
    "free": ("Free", "Take whichever order fits best"),
    "small_front": ("Small in Front", "Lay details on top of large stamps"),
    "large_front": ("Large in Front", "Lay large stamps on top of small ones"),
}
LOCKABLE: Choices = {
    name: (name.title(), f"Keep the {name} of each stamp")
    for name in ("position", "scale", "stretch", "rotation", "opacity", "color")
}

MAX_COUNT = 1_000_000
MAX_SIZE = 8192
"""Longest side of a canvas, px."""
MAX_SIDE = 16384
"""Longest side of a picture that is read or written, px."""
LEAST_WEIGHT = 1e-6
"""Of a loss, unless it is 0: weights are divided by each other."""

ENGINE_CARD = r"cuda:[0-9]{1,3}"

PRESETS: dict[str, dict[str, Any]] = {
    "draft": {"iterations": 30},
    "normal": {"iterations": 100},
    "high": {"iterations": 400},
}
"""Settings by name. A fit's schedules stretch over its iterations, so each of them ends settled."""

Color = tuple[float, float, float]
Range = tuple[float, float]

_limit = partial(setting, group="limits", preset=True)
_look = partial(setting, group="look", preset=True)
_fit = partial(setting, group="fit", preset=True)


@dataclass(frozen=True)
class Limits:
    """What a stamp may do in a fit, and how often it may be used."""

    stretch: float = _limit(
        1.0,
        "Stretch",
        "Let a stamp become longer or wider, up to so many times; 1 = it keeps its shape",
        (1.0, 50.0),
        soft=5.0,
    )
    mirror: bool = _limit(False, "Mirror", "Let a stamp be flipped left to right")
    size_range: Range = _limit(
        (0.0, 2.0),
        "Size",
        "Limit the longer side of each stamp, relative to the longer side of the canvas",
        (0.0, 2.0),
        soft=1.0,
        unit="share",
    )
    rotation_range: Range = _limit(
        (-math.pi, math.pi),
        "Rotation",
        "Limit the rotation of each stamp, in degrees, clockwise; a full turn or more = any direction",
        (-4 * math.pi, 4 * math.pi),
        unit="rad",
        option="--rotation",
    )
    opacity_range: Range = _limit(
        (0.0, 1.0), "Opacity", "Limit the opacity of each stamp; 1 = as its picture", (0.0, 1.0), option="--opacity"
    )
    share: float = setting(
        1.0,
        "Share",
        "Set how often this stamp is used relative to the others, where the usage is By Share",
        (0.0, 1e6),
        soft=10.0,
        group="stamps.entries[]",
        option="--shares",
    )
    most: int = _limit(
        0, "Most of Each", "Limit the uses of each stamp", (0, MAX_COUNT), zero="any number", option="--at-most"
    )

    def __post_init__(self) -> None:
        check(self)
        if self.size_range[1] <= 0.0 or self.opacity_range[1] <= 0.0:
            raise UserError("A stamp whose size or opacity may not exceed 0 is never seen: raise the upper limit")


@dataclass
class TemplateSpec:
    """One stamp of a job or layout. file: relative to its folder, or absolute. width, height: px, 0 = not yet read."""

    file: str
    name: str = ""
    mode: Literal["tint", "mix", "multiply"] = setting(
        "tint", "Color", "Choose how a stamp gets its colors", choices=MODES, group="stamps", preset=True
    )
    blend: float = setting(
        0.0, "Own Color", "Set how much own colors count: 0 = as with Tint", (0.0, 1.0), group="stamps", preset=True
    )
    width: int = 0
    height: int = 0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        check(self)


@dataclass
class RegionSpec:
    """A part of a job's canvas with stamps of its own."""

    name: str
    mask: str  # a grey picture: white is the region. Relative to the job's folder, or absolute
    stamps: list[int] = field(default_factory=list)  # indices into the job's templates; none = all of them
    share: float = setting(
        0.0,
        "Share",
        "Set how many of the stamps lie here, relative to the other regions",
        (0.0, 1e6),
        soft=10.0,
        zero="by its area",
        group="regions.entries[]",
        option=None,
    )
    settings: dict[str, Any] = field(default_factory=dict)  # its own values of REGION_SETTINGS by name

    def __post_init__(self) -> None:
        check_value(RegionSpec, "share", self.share, f"The share of the region {self.name}")
        self.settings = _region_settings(self.name, self.settings)


@dataclass
class Settings:
    """Every setting of a fit that does not belong to one stamp."""

    count: int = _fit(1000, "Count", "Set how many stamps to place", (1, MAX_COUNT))
    size: int = _fit(
        512, "Size", "Set the longer side of the canvas on which the stamps are fitted", (1, MAX_SIZE), unit="px"
    )
    iterations: int = _fit(
        100, "Steps", "Set how many steps to take: more come closer and take longer", (1, 1_000_000), soft=1000
    )
    time_limit: float = _fit(
        0.0,
        "Time Limit",
        "Limit the time of the fit, which then hurries",
        (0.0, 1e6),
        zero="no limit",
        soft=600.0,
        unit="s",
    )
    seed: int = setting(
        0, "Seed", "Choose another seed for another arrangement; the same gives the same", (0, 2**31 - 1), group="fit"
    )
    recipe: str = _fit("default", "Recipe", "Choose the way in which the stamps are fitted", choices=RECIPES)
    engine: str = setting(
        "auto",
        "Engine",
        "Choose what computes the fit; the command line takes cuda:1, too, as a card by its number",
        choices=ENGINES,
        pattern=ENGINE_CARD,
        group="backend",
    )
    space: str = _fit(
        "display", "Blending", "Choose the space in which stamps that lie over each other are blended", choices=SPACES
    )
    background: Color = _fit((1.0, 1.0, 1.0), "Background", "Set the color of the canvas behind the stamps", (0.0, 1.0))
    transparent: bool = setting(
        False,
        "Transparent",
        "Leave out what is behind the stamps: they stand free where the target is transparent, and the result has no "
        "background",
        group="target",
        preset=True,
    )
    losses: dict[str, float] = _look(
        {},
        "Loss",
        "Choose by name and weight what the fit descends; none = what the recipe descends",
        (LEAST_WEIGHT, 1e6),
        zero="not used",
        option="--loss",
    )
    palette: list[Color] = _look([], "Palette", "Use only these colors; none = any color", (0.0, 1.0))
    palette_size: int = _look(
        0, "Colors", "Use only so many colors, which are taken from the target", (0, 256), zero="any color"
    )
    usage: str = _limit(
        "free",
        "Usage",
        "Choose how often each of the stamps is used",
        choices=USAGES,
        option=None,  # --even and --shares set it
    )
    spacing: float = _look(
        0.0,
        "Spacing",
        "Keep the centers of any two stamps so far apart at least, relative to the longer side of the canvas",
        (0.0, 1.0),
        zero="any distance",
        soft=0.1,
        unit="share",
    )
    order: str = _look("free", "Order", "Choose which stamps lie in front of others", choices=ORDERS)
    containment: float = _look(
        1.0,
        "Containment",
        "Set how strongly paint is kept out of what is to stay clear, relative to the errors that weigh most; "
        "regions keep it out twice as strongly",
        (0.01, 100.0),
        soft=10.0,
    )
    locked: list[str] = setting(
        [], "Lock", "Keep this of all stamps as it is at the start", choices=LOCKABLE, group="build", option="--lock"
    )
    added: int = setting(
        0,
        "Add Stamps",
        "Add so many stamps to those that the fit continues from, where they help most",
        (0, MAX_COUNT),
        soft=2000,
        group="build",
        option="--add",
    )
    threads: int = setting(
        0, "Threads", "Set how many threads of the processor to use", (0, 1024), zero="one per core", group="backend"
    )
    preview_seconds: float = setting(
        1.0, "Previews", "Set the time between previews", (0.0, 86400.0), zero="none", unit="s", option=None
    )
    recording: int = setting(
        0,
        "Record",
        "Keep so many pictures of the fit's course, to make an animation of",
        (0, 10_000),
        zero="none",
        soft=250,
        group="fit",
        option="--record",
    )

    def __post_init__(self) -> None:
        check(self)


REGION_SETTINGS = tuple(name for name, one in settings_of(Settings).items() if one.group in ("limits", "look"))
"""Those that a region may have of its own."""


def _region_settings(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the types that Settings has. Raises UserError for what a region cannot set, or wrong values."""
    for key in settings:
        if key not in REGION_SETTINGS:
            raise UserError(f"The region {name} sets {key!r}, but only these can be set: {', '.join(REGION_SETTINGS)}")
    checked = from_dict(Settings, settings, f"The region {name}")
    return {key: getattr(checked, key) for key in settings}


def check_engine(engine: str) -> None:
    """Raises UserError for what is neither one of ENGINES nor a card by its number."""
    check_value(Settings, "engine", engine)
