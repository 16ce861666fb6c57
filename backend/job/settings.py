"""Settings of a fit and of its stamps, by the standard library only: see backend.job for the conventions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from .errors import UserError, plain, quoted, shortened
from .schema import from_dict
from .setting import Choices, check, check_value, setting, settings_of

MODES: Choices = {
    "tint": ("Tint", "Use a stamp as a shape in one fitted color"),
    "mix": ("Mix", "Mix a stamp's own colors with the fitted color"),
    "multiply": ("Multiply", "Multiply a stamp's own colors by the fitted color"),
}
SPACES: Choices = {
    "display": ("Display", "Blend stamps as Photoshop and Krita do, in display-encoded color"),
    "linear": ("Linear", "Blend stamps as light, as Blender does by default"),
}
ENGINES: Choices = {
    "auto": ("Automatic", "Use the fastest engine that works on this computer"),
    "cuda": ("CUDA", "Use the first NVIDIA graphics card that works"),
    "cpu": ("CPU", "Use the processor"),
    "reference": ("Reference", "Use plain PyTorch: slow, for comparison"),
}
"""Besides these, "cuda:1" and so on name a card by its number: see ENGINE_CARD."""
RECIPES: Choices = {
    "default": ("Default", "Move stamps of little use to where they are needed most"),
    "paper": ("Published", "Fit as the method was published: a soft texture of large, half-transparent stamps"),
}
USAGES: Choices = {
    "free": ("As Needed", "Use each stamp wherever it fits best"),
    "shares": ("By Share", "Use each stamp as often as its share says: equally often if all shares are 1"),
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
"""Greatest side of a canvas, px."""
MAX_SIDE = 16384
"""Greatest side of a picture that is read or written, px."""
LEAST_WEIGHT = 1e-6
"""Least weight of a loss that is not 0: weights are divided by each other."""

ENGINE_CARD = r"cuda:[0-9]{1,3}"

PRESETS: dict[str, dict[str, Any]] = {
    "draft": {"iterations": 30},
    "normal": {"iterations": 100},
    "high": {"iterations": 400},
}
"""Settings by the preset's name. Schedules stretch over the iterations, so every fit ends settled."""

Color = tuple[float, float, float]
Range = tuple[float, float]

_limit = partial(setting, group="limits", preset=True)
_look = partial(setting, group="look", preset=True)
_fit = partial(setting, group="fit", preset=True)


@dataclass(frozen=True)
class Limits:
    """Limits on what a stamp may do in a fit and how often it is used."""

    stretch: float = _limit(
        1.0, "Stretch", "Limit how much longer or wider a stamp becomes; 1 = keep its shape", (1.0, 50.0), soft=5.0
    )
    mirror: bool = _limit(False, "Mirror", "Allow flipping stamps left to right")
    size_range: Range = _limit(
        (0.0, 2.0), "Size", "Limit the longer side, relative to that of the canvas", (0.0, 2.0), soft=1.0, unit="share"
    )
    rotation_range: Range = _limit(
        (-math.pi, math.pi),
        "Rotation",
        "Limit the rotation of each stamp, in degrees clockwise; a full turn or more = any direction",
        (-4 * math.pi, 4 * math.pi),
        unit="rad",
        option="--rotation",
    )
    opacity_range: Range = _limit(
        (0.0, 1.0), "Opacity", "Limit the opacity of each stamp; 1 = as in its picture", (0.0, 1.0), option="--opacity"
    )
    share: float = setting(
        1.0,
        "Share",
        "Set how often this stamp is used relative to the others if the usage is By Share",
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
            raise UserError("A stamp whose size or opacity is at most 0 is never seen: raise the upper limit")


@dataclass
class TemplateSpec:
    """One stamp of a job or layout. file: relative to its folder, or absolute. width, height: px, 0 = not yet read."""

    file: str
    name: str = ""
    mode: Literal["tint", "mix", "multiply"] = setting(
        "tint", "Color", "Choose how a stamp gets its colors", choices=MODES, group="stamps", preset=True
    )
    blend: float = setting(
        0.0, "Own Color", "Set how much own colors count; 0 = as with Tint", (0.0, 1.0), group="stamps", preset=True
    )
    width: int = 0
    height: int = 0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self.name = plain(self.name)
        check(self)


@dataclass
class RegionSpec:
    """A part of a job's canvas with stamps of its own."""

    name: str  # for messages: cut to SHOWN letters
    mask: str  # a gray picture: white is the region. Relative to the job's folder, or absolute
    stamps: list[int] = field(default_factory=list)  # indices into the job's templates; none = all of them
    share: float = setting(
        0.0,
        "Share",
        "Set how many of the stamps lie here relative to the other regions",
        (0.0, 1e6),
        soft=10.0,
        zero="by its area",
        group="regions.entries[]",
        option=None,
    )
    settings: dict[str, Any] = field(default_factory=dict)  # overrides of REGION_SETTINGS by name

    def __post_init__(self) -> None:
        self.name = shortened(plain(self.name))
        check_value(RegionSpec, "share", self.share, f"The share of the region {self.name}")
        self.settings = _region_settings(self.name, self.settings)


@dataclass
class Settings:
    """All settings of a fit that do not belong to one stamp."""

    count: int = _fit(1000, "Count", "Set how many stamps to place", (1, MAX_COUNT))
    size: int = _fit(512, "Size", "Set the longer side of the canvas", (1, MAX_SIZE), unit="px")
    iterations: int = _fit(
        100, "Steps", "Set the number of steps: more come closer but take longer", (1, 1_000_000), soft=1000
    )
    time_limit: float = _fit(
        0.0, "Time Limit", "Limit the time that the fit takes", (0.0, 1e6), zero="no limit", soft=600.0, unit="s"
    )
    seed: int = setting(
        0, "Seed", "Change the arrangement; the same seed gives the same result", (0, 2**31 - 1), group="fit"
    )
    recipe: str = _fit("default", "Recipe", "Choose how stamps are fitted", choices=RECIPES)
    engine: str = setting(
        "auto",
        "Engine",
        "Choose what computes the fit; on the command line, cuda:1 is a card by its number",
        choices=ENGINES,
        pattern=ENGINE_CARD,
        group="backend",
    )
    space: str = _fit("display", "Blending", "Choose the color space in which stamps are blended", choices=SPACES)
    background: Color = _fit((1.0, 1.0, 1.0), "Background", "Set the color of the canvas behind the stamps", (0.0, 1.0))
    transparent: bool = setting(
        False, "Transparent", "Follow the target's transparency, without a background", group="target", preset=True
    )
    losses: dict[str, float] = _look(
        {}, "Loss", "Weight losses by name; none = the recipe's", (LEAST_WEIGHT, 1e6), zero="not used", option="--loss"
    )
    palette: list[Color] = _look([], "Palette", "Use only these colors; none = any color", (0.0, 1.0))
    palette_size: int = _look(0, "Colors", "Limit the colors, taken from the target", (0, 256), zero="any color")
    # Without an option: --even and --shares set it.
    usage: str = _limit("free", "Usage", "Choose how often each stamp is used", choices=USAGES, option=None)
    spacing: float = _look(
        0.0,
        "Spacing",
        "Set the least distance between centers of stamps, relative to the longer side of the canvas",
        (0.0, 1.0),
        zero="any distance",
        soft=0.1,
        unit="share",
    )
    order: str = _look("free", "Order", "Choose which stamps lie in front of others", choices=ORDERS)
    containment: float = _look(
        1.0, "Containment", "Set how strictly stamps keep out of areas that stay clear", (0.01, 100.0), soft=10.0
    )
    locked: list[str] = setting(
        [], "Lock", "Keep these properties of all stamps unchanged", choices=LOCKABLE, group="build", option="--lock"
    )
    added: int = setting(
        0, "Add Stamps", "Add N stamps where they help most", (0, MAX_COUNT), soft=2000, group="build", option="--add"
    )
    threads: int = setting(0, "Threads", "Limit the CPU threads", (0, 1024), zero="one per core", group="backend")
    preview_seconds: float = setting(
        1.0, "Previews", "Set the time between previews", (0.0, 86400.0), zero="none", unit="s", option=None
    )
    exact: bool = setting(
        False, "Exact Quality", "Measure the quality with smooth edges above 4,096 px as well, instead of estimating it"
    )
    recording: int = setting(
        0, "Record", "Record N frames of the fit", (0, 10_000), zero="none", soft=250, group="fit", option="--record"
    )

    def __post_init__(self) -> None:
        check(self)


REGION_SETTINGS = tuple(name for name, one in settings_of(Settings).items() if one.group in ("limits", "look"))
"""Names of the settings that a region may override."""


def _region_settings(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings with the types of Settings. Raises UserError for other names and wrong values."""
    where = f"The region {name}"
    for key in settings:
        if key not in REGION_SETTINGS:
            raise UserError(f"{where} sets {quoted(key)}, but only these can be set: {', '.join(REGION_SETTINGS)}")
    checked = from_dict(Settings, settings, where)
    return {key: getattr(checked, key) for key in settings}


def check_engine(engine: str) -> None:
    """Raises UserError unless this is one of ENGINES or matches ENGINE_CARD."""
    check_value(Settings, "engine", engine)
