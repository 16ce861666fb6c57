"""The twin of csrc/descent.h: Adam on the variables of primitives, in doubles, a matrix at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.engines.interface import AdamRule, Variables
from backend.native.arrays import FloatArray

Doubles = NDArray[np.float64]


def light(encoded: Any) -> Doubles:
    """Returns the linear light of display-encoded values (IEC 61966-2-1)."""
    values = np.asarray(encoded, np.float64)
    return np.where(values <= 0.04045, values / 12.92, ((np.maximum(values, 0.04045) + 0.055) / 1.055) ** 2.4)


def slope(encoded: Doubles) -> Doubles:
    """Returns the derivative of light()."""
    curved = 2.4 / 1.055 * ((np.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 1.4
    return np.where(encoded <= 0.04045, 1.0 / 12.92, curved)


class Twin:
    """The variables of N primitives, and steps of Adam on them."""

    def __init__(
        self, variables: Variables, rule: AdamRule, *, linear: bool, palette: FloatArray | None, limited: bool
    ) -> None:
        self._rule, self._linear, self._palette, self._limited = rule, linear, palette, limited
        self.follow(variables)

    def follow(self, variables: Variables) -> None:
        """Continues from these variables, so that roundings do not add up over steps."""
        self._frozen = variables.frozen
        floats = {name: np.array(values, np.float64) for name, values in vars(variables).items() if name != "frozen"}
        self.free, self.first, self.second, self.age, self.low, self.high = (
            floats[name] for name in ("free", "first", "second", "age", "low", "high")
        )

    def encoded(self) -> Doubles:
        """Returns the params [N, 9] with display-encoded colors, of the palette if there is one."""
        if self._palette is None:
            return self.free
        distance = np.square(self.free[:, None, 6:] - self._palette).sum(2)
        color = np.where(self._frozen[:, 6:], self.free[:, 6:], self._palette[distance.argmin(1)])
        return np.concatenate([self.free[:, :6], color], 1)

    def params(self) -> Doubles:
        """Returns the params [N, 9] to draw, colors as composited."""
        params = self.encoded() if self._limited else self.free
        return np.concatenate([params[:, :6], light(params[:, 6:])], 1) if self._linear else params

    def step(self, gradient: Doubles, rate: float) -> None:
        rule = self._rule
        pulled = self._pulled_back(gradient)
        self.age += 1
        self.first = rule.momentum * self.first + (1 - rule.momentum) * pulled
        self.second = rule.second_momentum * self.second + (1 - rule.second_momentum) * pulled**2
        mean = self.first / (1 - rule.momentum**self.age)
        size = np.sqrt(self.second / (1 - rule.second_momentum**self.age)) + rule.epsilon
        step = mean / size * self._rates() * rate
        step[:, :2] = turned(step[:, :2], self.free[:, 4])
        self.free = np.where(self._frozen, self.free, self._bounded(self._stepped(step)))

    def _pulled_back(self, gradient: Doubles) -> Doubles:
        free, pulled = self.free, gradient.copy()
        pulled[:, :2] = turned(gradient[:, :2], -free[:, 4])
        pulled[:, 2:4] *= free[:, 2:4]
        pulled[:, 5] *= free[:, 5] * (1 - free[:, 5])
        if self._linear:
            pulled[:, 6:] *= slope(self.encoded()[:, 6:] if self._limited else free[:, 6:])
        return pulled

    def _rates(self) -> Doubles:
        rule, free = self._rule, self.free
        root = np.sqrt(free[:, 3])
        axes = np.stack([free[:, 2] * root, free[:, 2] / root], 1)
        rates = np.empty_like(free)
        rates[:, :2] = np.minimum(axes, rule.widest) * rule.position_rate + rule.least
        rates[:, 2], rates[:, 3] = rule.scale_rate, rule.aspect_rate
        rates[:, 4] = rule.rotation_rate / np.maximum(root, 1 / root)
        rates[:, 5], rates[:, 6:] = rule.opacity_rate, rule.color_rate
        return rates

    def _stepped(self, step: Doubles) -> Doubles:
        result = self.free - step
        result[:, 2:4] = np.exp(np.log(self.free[:, 2:4]) - step[:, 2:4])
        opacity = self.free[:, 5]
        result[:, 5] = 1 / (1 + np.exp(step[:, 5] - np.log(opacity / (1 - opacity))))
        return result

    def _bounded(self, free: Doubles) -> Doubles:
        low, high = self.low[:, 4], self.high[:, 4]
        limited = np.isfinite(low) & np.isfinite(high)
        middle = free[:, 4].copy()
        middle[limited] = 0.5 * (low[limited] + high[limited])
        outside = (free[:, 4] < low) | (free[:, 4] > high)
        turns = np.where(outside, np.rint((free[:, 4] - middle) / (2 * math.pi)), 0.0)
        free[:, 4] -= 2 * math.pi * turns
        return np.clip(free, self.low, self.high)


def turned(vectors: Doubles, angle: Doubles) -> Doubles:
    """Returns vectors [N, 2] turned clockwise by angles [N], radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y = vectors.T
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], 1)
