"""Makes whole steps of a fit in the compiled library: levels, picture, loss, gradient, Adam and bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..native.arrays import BoolArray, FloatArray, IntArray
from .compiled import Call, HostAddresses
from .interface import PARAMETERS, AdamRule, Noise, Scores, Stepped, Variables
from .levels import LevelTable
from .native import Native
from .structs import Descent, PlanePointers

CLOSED = 1.0 / 255.0
"""The transmittance behind which a row of a tile is left out in the steps of a fit."""

_PHASES = (0, 2, 1, 3)
"""The order in which steps that look at every fourth row look at them: neighbors are not seen in a row."""


@dataclass(frozen=True)
class HeldArray:
    """An array of the host's memory: see Held."""

    array: FloatArray

    def read(self) -> FloatArray:
        return self.array


class CpuIteration:
    """Whole steps of a fit on the CPU: see engines.interface.Iteration."""

    def __init__(
        self,
        native: Native,
        levels: LevelTable,
        run: Callable[..., float],  # CpuEngine's pass over the canvas
        size: tuple[int, int],  # height, width of the picture, px
        count: int,
        rule: AdamRule,
        *,
        loss: str,
        palette: FloatArray | None,  # [P, 3]
        shrink: float,
        decode: FloatArray | None,
    ) -> None:
        self._native, self._levels, self._run, self._loss = native, levels, run, loss
        self._at = HostAddresses()
        height, width = size
        matrix = (count, len(PARAMETERS))
        floats = {field.name: np.empty(matrix, np.float32) for field in fields(Variables)}
        self._variables = Variables(
            **{**floats, "age": np.empty((count, 1), np.float32), "frozen": np.empty(matrix, np.bool_)}
        )
        self._template, self._mirror = np.empty(count, np.int32), np.empty(count, np.bool_)
        self._encoded, self._grad = np.empty(matrix, np.float32), np.empty(matrix, np.float32)
        self._scores = Scores(
            np.empty(0, np.float32),
            np.empty((3, height, width), np.float32),
            np.empty((height, width), np.float32),
            np.empty(count, np.float32),
        )
        self._step = 0
        missing = np.zeros(levels.table.shape, np.uint8)
        self._missing = missing
        self._planes = PlanePointers(
            params=self._at.memory(np.empty(matrix, np.float32)),
            level=self._at.memory(np.empty(count, np.int32)),
            mirror=self._at.memory(self._mirror),
            decode=self._at.of(decode),
        )
        self._descent = Descent(
            **{name: self._at.memory(array) for name, array in vars(self._variables).items()},
            **vars(rule),
            template_of=self._at.memory(self._template),
            params=self._planes.params,
            encoded=self._at.memory(self._encoded),
            level=self._planes.level,
            grad=self._at.memory(self._grad),
            facts=self._at.memory(levels.facts),
            palette=self._at.of(palette),
            missing=self._at.memory(missing),
            count=count,
            palette_count=0 if palette is None else len(palette),
            levels_u=missing.shape[1],
            levels_v=missing.shape[2],
            linear=decode is not None,
            shrink=shrink,
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
            saving |= {"row_step": rows, "row_phase": _PHASES[self._step % len(_PHASES)] % rows}
        self._step += 1
        scores = Scores(target, *list(vars(self._scores).values())[1:]) if scored else None
        call = self._call(background, target, weight, scores)
        removal = None if scores is None else scores.removal
        loss = self._run("scored" if scored else "step", call, self._grad, removal, self._loss, **saving)
        self._native.descend(descent)
        return Stepped(loss, params, scores)

    def _show(self) -> None:
        """Makes params and levels of the variables, and the levels that are missing."""
        while True:
            self._descent.level_numbers = self._levels.table.ctypes.data
            if not self._native.show(self._descent):
                break
            self._levels.add(np.argwhere(self._missing))
            self._missing[:] = 0
        self._planes.levels = self._levels.address

    def _call(
        self, background: FloatArray | Noise, target: FloatArray, weight: FloatArray, scores: Scores | None
    ) -> Call:
        at, planes = HostAddresses(), PlanePointers.from_buffer_copy(self._planes)
        at.kept.append(self)
        planes.target, planes.weight = at.of(target), at.of(weight)
        noise = background if isinstance(background, Noise) else Noise(0, 0.0)
        if not isinstance(background, Noise):
            planes.background = at.of(background)
        if scores is not None:
            planes.image, planes.loss_map = at.memory(scores.image), at.memory(scores.loss_map)
        return Call(len(self._template), planes, at, noise)
