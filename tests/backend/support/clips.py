"""Small moving targets with known motion, and primitives in the right places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.fitting.clip.context import Context
from backend.fitting.clip.tracking import Identities, Pose
from backend.fitting.goal import Goal, goal_of
from backend.job import Clip, Limits, Settings
from backend.templates import Template, Templates

HEIGHT, WIDTH = 48, 64
SETTINGS = Settings(count=60, size=WIDTH, iterations=30, engine="cpu", threads=1)
BALL, RADIUS = (0.9, 0.8, 0.2), 8


def discs(limits: Limits | None = None) -> Templates:
    rows, columns = np.mgrid[:32, :32] - 15.5
    alpha = np.clip(16.0 - np.hypot(rows, columns), 0.0, 1.0) * 255
    rgba = np.dstack([np.full((32, 32, 3), 255.0), alpha]).astype(np.uint8)
    return Templates([Template("disc", rgba, limits=limits or Limits())])


def wall(seed: int = 0) -> Tensor:
    """A still, uneven image: [3, H, W]."""
    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(seed)) * 0.5
    return torch.nn.functional.interpolate(coarse, (HEIGHT, WIDTH), mode="bilinear")[0]


def with_ball(image: Tensor, x: float, y: float = 30.0) -> Tensor:
    """Draws a bright ball on an image [3, H, W]."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    inside = ((rows - y).square() + (columns - x).square()).sqrt() < RADIUS
    return torch.where(inside, torch.tensor(BALL)[:, None, None], image)


def scene(frame: int, seed: int = 0) -> Tensor:
    """A bright ball that rolls 4 px per frame to the right, in front of the wall: [3, H, W]."""
    return with_ball(wall(seed), 10 + 4 * frame)


class Goals(Sequence[Goal]):
    def __init__(self, images: list[Tensor], settings: Settings = SETTINGS, masks: list[Tensor] | None = None) -> None:
        self.images, self._settings, self._masks = images, settings, masks

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Goal:  # type: ignore[override]
        mask = None if self._masks is None else self._masks[index]
        return goal_of(self.images[index], {"mask": mask, "importance": None, "hidden part": None}, self._settings)


def context(image: Tensor, count: int, settings: dict[str, Any] | None = None, **clip: Any) -> Context:
    own = Settings(count=count, size=WIDTH, engine="cpu", threads=1, **(settings or {}))
    return Context.of(Goals([image], own)[0], discs(), own, Clip(**clip))


def placed(rows: Sequence[tuple[float, float, float]], color: Sequence[float] = BALL) -> Pose:
    """Opaque discs of one color at x, y with these scales, the first in front."""
    params = torch.tensor([[x, y, scale, 1.0, 0.0, 0.95, *color] for x, y, scale in rows])
    some = torch.zeros(len(rows), dtype=torch.bool)
    return Pose(params, torch.arange(len(rows)), torch.ones(len(rows)), some)


def identities(count: int) -> Identities:
    no = torch.zeros(count, dtype=torch.bool)
    level = torch.zeros(count, 2, dtype=torch.int64)
    return Identities(no.long(), no, level, no.int(), no.clone())
