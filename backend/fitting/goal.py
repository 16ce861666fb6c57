"""The goal of a fit: the picture to reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..job import Settings, UserError
from ..losses import Loss
from ..pictures.color import composited, decode
from ..pictures.filters import shrunk


def goal_of(
    target: Tensor,  # [3, H, W]
    planes: Mapping[str, Tensor | None],  # [H, W] "mask", "importance", "hidden part"
    settings: Settings,
    loss: Loss | None = None,
) -> Goal:
    """Makes the goal of a checked target, its checked planes and the settings."""
    weight, hidden, straight = planes["mask"], planes["hidden part"], None
    if weight is None and hidden is not None:
        weight = torch.ones_like(hidden)
    if settings.transparent and weight is not None:
        weight, straight = weight.clamp_max(1.0), target
        target = composited(target, weight, torch.tensor(settings.background), settings.space)
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


@dataclass(frozen=True)
class Goal:
    """The picture that a fit should reach, and how the distance to it is measured."""

    target: Tensor  # [3, H, W] display-encoded
    weight: Tensor | None = None  # [H, W] from 0 = stays clear to 1 = counts fully
    importance: Tensor | None = None  # [H, W] factor on the training's errors
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)  # for judging, display-encoded
    losses: Mapping[str, float] = field(default_factory=dict)  # weights by name; none = "mse"
    users_loss: Loss | None = None  # replaces them
    containment: float = 1.0  # weight of pixels that stay clear, relative to the greatest weight
    hidden: Tensor | None = None  # [H, W] share that something in front covers: it does not count and may be covered
    transparent: bool = False  # the weight is also the wanted alpha of the result
    straight: Tensor | None = None  # [3, H, W] straight colors of a transparent target

    @property
    def colors(self) -> Tensor:
        """The target's own colors [3, H, W], without the background."""
        return self.target if self.straight is None else self.straight

    @property
    def seen(self) -> Tensor | None:
        """The visible weight: [H, W], None = all pixels alike. Raises UserError where it is 0 everywhere."""
        return None if self.weight is None else self.weights

    @property
    def weights(self) -> Tensor:
        """The visible weight: [H, W]. Raises UserError where it is 0 everywhere."""
        weight = torch.ones_like(self.target[0]) if self.weight is None else self.weight
        if self.hidden is not None:
            weight = weight * (1.0 - self.hidden)
        if float(weight.double().sum()) <= 0:
            raise UserError("The mask is black everywhere, so nothing would be placed: paint white what counts")
        return weight

    @property
    def blank(self) -> bool:
        """Whether the whole canvas stays clear."""
        return self.weight is not None and not bool((self.weight > 0).any())

    @property
    def counts(self) -> bool:
        """Whether any pixel counts."""
        if self.weight is None:
            return self.hidden is None or bool((self.hidden < 1).any())
        return bool((self.weight if self.hidden is None else self.weight * (1.0 - self.hidden)).any())

    def backdrop(self, linear: bool) -> Tensor:
        """Returns the background as it is composited: [3, 1, 1], on the target's device."""
        background = torch.tensor(self.background).to(self.target.device).reshape(3, 1, 1)
        return decode(background) if linear else background

    def to(self, device: torch.device) -> Goal:
        return self._mapped(lambda planes: planes.to(device))

    def shrunk(self, factor: int) -> Goal:
        """Returns the goal for a picture that is smaller by this factor."""
        return self._mapped(lambda planes: shrunk(planes, factor))

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Goal:
        """Returns the goal with changed target and planes; change maps [C, H, W] to [C, H, W]."""
        planes = {name: getattr(self, name) for name in ("weight", "importance", "hidden")}
        planes = {name: None if plane is None else change(plane[None])[0] for name, plane in planes.items()}
        straight = None if self.straight is None else change(self.straight)
        return replace(self, target=change(self.target), straight=straight, **planes)


@dataclass(frozen=True)
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
