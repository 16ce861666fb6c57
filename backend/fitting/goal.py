"""The goal of a fit: the picture to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..job import Settings, UserError
from ..losses import Loss, fused_loss, regularized
from ..native.arrays import FloatArray
from ..pictures.color import composited, decode
from ..pictures.filters import shrunk


def goal_of(
    target: FloatArray,  # [3, H, W]
    planes: Mapping[str, FloatArray | None],  # [H, W] "mask", "importance", "hidden part"
    settings: Settings,
    loss: Loss | None = None,
) -> Goal:
    """Makes the goal of a checked target, its checked planes and the settings."""
    weight, hidden, straight = planes["mask"], planes["hidden part"], None
    if weight is None and hidden is not None:
        weight = np.ones_like(hidden)
    if settings.transparent and weight is not None:
        weight, straight = np.minimum(weight, np.float32(1.0)), target
        target = composited(target, weight, np.array(settings.background, np.float32), settings.space)
    return Goal(
        target,
        weight,
        planes["importance"],
        settings.background,
        settings.losses,
        loss,
        settings.containment,
        hidden,
        settings.transparent,
        straight,
    )


@dataclass(frozen=True, eq=False)
class Goal:
    """The picture that a fit should reach, and how the distance to it is measured."""

    target: FloatArray  # [3, H, W] display-encoded
    weight: FloatArray | None = None  # [H, W] from 0 = stays clear to 1 = counts fully
    importance: FloatArray | None = None  # [H, W] factor on the training's errors
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)  # for judging, display-encoded
    losses: Mapping[str, float] = field(default_factory=dict)  # weights by name; none = "mse"
    users_loss: Loss | None = None  # replaces them
    containment: float = 1.0  # weight of pixels that stay clear, relative to the greatest weight
    hidden: FloatArray | None = None  # [H, W] share that something in front covers: does not count, may be covered
    transparent: bool = False  # the weight is also the wanted alpha of the result
    straight: FloatArray | None = None  # [3, H, W] straight colors of a transparent target

    @property
    def colors(self) -> FloatArray:
        """The target's own colors [3, H, W], without the background."""
        return self.target if self.straight is None else self.straight

    @property
    def seen(self) -> FloatArray | None:
        """The visible weight: [H, W], None = all pixels alike. Raises UserError where it is 0 everywhere."""
        return None if self.weight is None else self.weights

    @property
    def weights(self) -> FloatArray:
        """The visible weight: [H, W], not to be changed. Raises UserError where it is 0 everywhere."""
        # One number stands for a plane of them.
        one = np.broadcast_to(np.float32(1.0), self.target.shape[1:])
        weight = one if self.weight is None else self.weight
        if self.hidden is not None:
            weight = weight * (np.float32(1.0) - self.hidden)
        if float(weight.sum(dtype=np.float64)) <= 0:
            raise UserError("The mask is black everywhere, so nothing would be placed: paint white what counts")
        return weight

    @property
    def open(self) -> bool:
        """Whether the canvas shows through."""
        return self.transparent and self.weight is not None and not (self.weight >= 1).all()

    @property
    def engines_loss(self) -> str | None:
        """The engines' own loss, if there is no other term. Raises UserError for losses that do not exist."""
        own, _ = fused_loss(self.losses)
        return None if self.users_loss is not None or regularized(self.losses) else own

    @property
    def blank(self) -> bool:
        """Whether the whole canvas stays clear."""
        return self.weight is not None and not (self.weight > 0).any()

    @property
    def counts(self) -> bool:
        """Whether any pixel counts."""
        if self.weight is None:
            return self.hidden is None or bool((self.hidden < 1).any())
        return bool((self.weight if self.hidden is None else self.weight * (np.float32(1.0) - self.hidden)).any())

    def backdrop(self, linear: bool) -> FloatArray:
        """Returns the background as it is composited: [3, 1, 1]."""
        background = np.array(self.background, np.float32).reshape(3, 1, 1)
        return decode(background) if linear else background

    def shrunk(self, factor: int) -> Goal:
        """Returns the goal for a picture that is smaller by this factor."""
        names = ("weight", "importance", "hidden")
        planes = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        smaller = {name: shrunk(plane[None], factor)[0] for name, plane in planes.items()}
        straight = None if self.straight is None else shrunk(self.straight, factor)
        return replace(self, target=shrunk(self.target, factor), straight=straight, **smaller)


@dataclass(frozen=True, eq=False)
class LazyGoals(Sequence[Goal]):
    """The goals of a clip's frames, each made on access."""

    length: int
    make: Callable[[int], Goal]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Goal:  # type: ignore[override]
        if not 0 <= index < self.length:
            raise IndexError(index)
        return self.make(index)
