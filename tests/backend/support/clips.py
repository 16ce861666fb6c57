"""Small moving targets with known motion, and primitives in the right places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from backend.fitting.clip.context import Context
from backend.fitting.clip.tracking import Identities, Pose
from backend.fitting.goal import Goal, goal_of
from backend.job import Clip, Limits, Settings
from backend.native.arrays import FloatArray
from backend.templates import Template, Templates

HEIGHT, WIDTH = 48, 64
SETTINGS = Settings(count=60, size=WIDTH, iterations=30, engine="cpu", threads=1)
BALL, RADIUS = (0.9, 0.8, 0.2), 8


def discs(limits: Limits | None = None) -> Templates:
    rows, columns = np.mgrid[:32, :32] - 15.5
    alpha = np.clip(16.0 - np.hypot(rows, columns), 0.0, 1.0) * 255
    rgba = np.dstack([np.full((32, 32, 3), 255.0), alpha]).astype(np.uint8)
    return Templates([Template("disc", rgba, limits=limits or Limits())])


def wall(seed: int = 0) -> FloatArray:
    """A still, uneven image: [3, H, W]."""
    coarse = np.random.default_rng(seed).random((3, 6, 8), np.float32) * np.float32(0.5)
    return np.stack([cv2.resize(plane, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR) for plane in coarse])


def with_ball(image: FloatArray, x: float, y: float = 30.0) -> FloatArray:
    """Draws a bright ball on an image [3, H, W]."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inside = np.hypot(rows - y, columns - x) < RADIUS
    return np.where(inside, np.array(BALL, np.float32)[:, None, None], image)


def scene(frame: int, seed: int = 0) -> FloatArray:
    """A bright ball that rolls 4 px per frame to the right, in front of the wall: [3, H, W]."""
    return with_ball(wall(seed), 10 + 4 * frame)


class Goals(Sequence[Goal]):
    def __init__(
        self, images: list[FloatArray], settings: Settings = SETTINGS, masks: list[FloatArray] | None = None
    ) -> None:
        self.images, self._settings, self._masks = images, settings, masks

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Goal:  # type: ignore[override]
        mask = None if self._masks is None else self._masks[index]
        return goal_of(self.images[index], {"mask": mask, "importance": None, "hidden part": None}, self._settings)


def context(image: FloatArray, count: int, settings: dict[str, Any] | None = None, **clip: Any) -> Context:
    own = Settings(count=count, size=WIDTH, engine="cpu", threads=1, **(settings or {}))
    return Context.of(Goals([image], own)[0], discs(), own, Clip(**clip))


def placed(rows: Sequence[tuple[float, float, float]], color: Sequence[float] = BALL) -> Pose:
    """Opaque discs of one color at x, y with these scales, the first in front."""
    params = np.array([[x, y, scale, 1.0, 0.0, 0.95, *color] for x, y, scale in rows], np.float32)
    return Pose(params, np.arange(len(rows)), np.ones(len(rows), np.float32), np.zeros(len(rows), np.bool_))


def identities(count: int) -> Identities:
    no = np.zeros(count, np.bool_)
    level = np.zeros((count, 2), np.int64)
    return Identities(no.astype(np.int64), no, level, no.astype(np.int32), no.copy())
