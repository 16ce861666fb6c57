"""Makes whole steps of a fit in the compiled library: levels, picture, loss, gradient, Adam and bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..native.arrays import BoolArray, FloatArray, IntArray
from ..templates import Templates
from .compiled import Call, HostAddresses
from .interface import NO_NOISE, PARAMETERS, AdamRule, Noise, Scores, Stepped, Variables
from .levels import LevelTable
from .native import Native
from .structs import Descent, PlanePointers

CLOSED = 1.0 / 255.0
"""The transmittance behind which a row of a tile is left out in the steps of a fit."""


@dataclass(frozen=True, eq=False)
class HeldArray:
    """An array of the host's memory: see Held."""

    array: FloatArray

    def read(self) -> FloatArray:
        return self.array


@dataclass(frozen=True, eq=False)
class Tools:
    """What an iteration has of its engine."""

    native: Native
    templates: Templates
    levels: LevelTable
    run: Callable[..., float]  # the pass over the canvas
    threads: int


class CpuIteration:
    """Whole steps of a fit on the CPU: see engines.interface.Iteration."""

    def __init__(
        self,
        tools: Tools,
        size: tuple[int, int],  # height, width of the picture, px
        count: int,
        rule: AdamRule,
        loss: str,
        palette: FloatArray | None,  # [P, 3]
        shrink: float,
        decode: FloatArray | None,
    ) -> None:
        self._tools, self._loss = tools, loss
        self._at = HostAddresses()
        height, width = size
        matrix = (count, len(PARAMETERS))
        made: dict[str, Any] = {field.name: np.empty(matrix, np.float32) for field in fields(Variables)}
        made |= {"age": np.empty((count, 1), np.float32), "frozen": np.empty(matrix, np.bool_)}
        self._variables = Variables(**made)
        self._template, self._mirror = np.empty(count, np.int32), np.empty(count, np.bool_)
        self._encoded, self._grad = np.empty(matrix, np.float32), np.empty(matrix, np.float32)
        self._image, self._loss_map = np.empty((3, height, width), np.float32), np.empty((height, width), np.float32)
        self._removal = np.empty(count, np.float32)
        self._missing = np.zeros(tools.levels.numbers.shape, np.uint8)
        self._step = 0
        self._planes = PlanePointers(
            params=self._at.memory(np.empty(matrix, np.float32)),
            level=self._at.memory(np.empty(count, np.int32)),
            mirror=self._at.memory(self._mirror),
            decode=self._at.of(decode),
        )
        self._descent = self._descent_of(rule, palette)
        self._descent.linear, self._descent.shrink = decode is not None, shrink

    def _descent_of(self, rule: AdamRule, palette: FloatArray | None) -> Descent:
        """Returns the struct for a step of Adam, without what changes."""
        templates, numbers, at = self._tools.templates, self._tools.levels.numbers, self._at
        return Descent(
            **{name: at.memory(array) for name, array in vars(self._variables).items()},
            **vars(rule),
            template_of=at.memory(self._template),
            params=self._planes.params,
            encoded=at.memory(self._encoded),
            level=self._planes.level,
            grad=at.memory(self._grad),
            facts=at.memory(templates.facts),
            level_numbers=at.memory(numbers),
            palette=at.of(palette),
            missing=at.memory(self._missing),
            count=len(self._template),
            palette_count=0 if palette is None else len(palette),
            levels_u=numbers.shape[1],
            levels_v=numbers.shape[2],
        )

    def load(self, variables: Variables, template: IntArray, mirror: BoolArray) -> None:
        """Copies the variables: see Iteration."""
        for name, own in vars(self._variables).items():
            own[:] = getattr(variables, name)
        self._template[:], self._mirror[:] = template, mirror

    def unload(self) -> Variables:
        """Returns copies of the variables: see Iteration."""
        return Variables(**{name: own.copy() for name, own in vars(self._variables).items()})

    def run(
        self,
        background: FloatArray | Noise,  # [3, H, W]
        target: FloatArray,  # [3, H, W]
        weight: FloatArray,  # [H, W]
        *,
        rate: float,
        bias: float,
        limited: bool,
        scored: bool,
        rows: int = 1,
    ) -> Stepped:
        """Makes a step: see Iteration."""
        descent = self._descent
        descent.rate, descent.bias, descent.limited = rate, bias, limited
        self._show()
        params = HeldArray(self._encoded.copy())
        saving: dict[str, Any] = {"threshold": CLOSED}
        if not scored and rows > 1:
            saving |= {"row_step": rows, "row_phase": _phase(self._step, rows)}
        self._step += 1
        scores = Scores(target, self._image, self._loss_map, self._removal) if scored else None
        call = self._call(background, target, weight, scores)
        removal = None if scores is None else scores.removal
        loss = self._tools.run("scored" if scored else "step", call, self._grad, removal, self._loss, **saving)
        self._tools.native.descend(descent)
        return Stepped(loss, params, scores)

    def _show(self) -> None:
        """Makes params and levels of the variables, and the levels that are missing."""
        levels = self._tools.levels
        while self._tools.native.show(self._descent):
            template, level_u, level_v = self._missing.nonzero()
            levels.ensure(template, level_u, level_v, self._tools.threads)
            self._missing[:] = 0
        self._planes.levels = levels.levels

    def _call(
        self, background: FloatArray | Noise, target: FloatArray, weight: FloatArray, scores: Scores | None
    ) -> Call:
        at, planes = HostAddresses(), PlanePointers.from_buffer_copy(self._planes)
        at.kept.append(self)
        planes.target, planes.weight = at.of(target), at.of(weight)
        noise = background if isinstance(background, Noise) else NO_NOISE
        if not isinstance(background, Noise):
            planes.background = at.of(background)
        if scores is not None:
            planes.image, planes.loss_map = at.memory(scores.image), at.memory(scores.loss_map)
        return Call(len(self._template), planes, at, noise)


def _phase(step: int, rows: int) -> int:
    """Which of each `rows` rows (a power of two) a step looks at: the bits of its number, turned around.

    So neighbors are not seen in a row.
    """
    bits = rows.bit_length() - 1
    return int(format(step % rows, f"0{bits}b")[::-1], 2)
