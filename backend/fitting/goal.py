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
    """The goal for a target, its planes, and the settings, all of them checked."""
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
    """The picture that a fit is to reach, and how closeness to it is judged."""

    target: Tensor  # [3, H, W] display-encoded
    weight: Tensor | None = None  # [H, W] from 0 = stays clear to 1 = counts fully
    importance: Tensor | None = None  # [H, W] factor on the training's errors
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)  # judged on, display-encoded
    losses: Mapping[str, float] = field(default_factory=dict)  # weights by name; none = "mse"
    users_loss: Loss | None = None  # in place of them
    containment: float = 1.0  # weight of what is to stay clear, relative to what counts most
    hidden: Tensor | None = None  # [H, W] share that something in front covers: it neither counts nor must stay clear
    transparent: bool = False  # the weight is also the alpha that the result is to have
    straight: Tensor | None = None  # [3, H, W] the target's own colors, where it is transparent

    @property
    def colors(self) -> Tensor:
        """The target's own colors [3, H, W], whatever is behind it."""
        return self.target if self.straight is None else self.straight

    @property
    def seen(self) -> Tensor | None:
        """The weight that is seen: [H, W], None = all pixels alike. Raises UserError where it is 0 all over."""
        return None if self.weight is None else self.weights

    @property
    def weights(self) -> Tensor:
        """The weight that is seen: [H, W]. Raises UserError where it is 0 all over."""
        weight = torch.ones_like(self.target[0]) if self.weight is None else self.weight
        if self.hidden is not None:
            weight = weight * (1.0 - self.hidden)
        if float(weight.double().sum()) <= 0:
            raise UserError("The mask is black everywhere, so nothing would be placed: paint white what counts")
        return weight

    @property
    def blank(self) -> bool:
        """True where the whole canvas is to stay clear."""
        return self.weight is not None and not bool((self.weight > 0).any())

    @property
    def counts(self) -> bool:
        """True where any pixel counts."""
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
        """The same goal for a picture that is smaller by this factor."""
        return self._mapped(lambda planes: shrunk(planes, factor))

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Goal:
        """The same goal with target and planes changed; change takes and gives [C, H, W]."""
        planes = {name: getattr(self, name) for name in ("weight", "importance", "hidden")}
        planes = {name: None if plane is None else change(plane[None])[0] for name, plane in planes.items()}
        straight = None if self.straight is None else change(self.straight)
        return replace(self, target=change(self.target), straight=straight, **planes)


@dataclass(frozen=True)
class LazyGoals(Sequence[Goal]):
    """The goals of a clip's frames, each made whenever it is asked for."""

    length: int
    make: Callable[[int], Goal]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Goal:  # type: ignore[override]
        if not 0 <= index < self.length:
            raise IndexError(index)
        return self.make(index)
