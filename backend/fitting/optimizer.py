"""Gradient descent on primitives: Adam on variables in place of the parameters.

Scale and aspect are optimized as logarithms and opacity as a logit; positions along the primitive's own axes; rotation
and color directly. Colors stay display-encoded in any compositing space. All matrices are [N, 9], with the columns of
engines.PARAMETERS. The mathematics is that of csrc/descent.h, which engines that make whole steps share.
"""

from __future__ import annotations

from ctypes import POINTER, c_int64
from dataclasses import replace

import numpy as np

from ..engines.interface import AdamRule, Variables
from ..engines.structs import Descent
from ..native.arrays import BoolArray, FloatArray, IntArray
from ..native.calls import FLOATS, function
from .constraints.limits import Bounds


class Optimizer:
    """Adam on all primitives at once.

    params [N, 9] is what the engine draws, with colors as composited; encoded [N, 9] has display-encoded colors.
    If there is a palette, encoded has its colors, and so has params from limit_colors() on. Free colors underneath then
    descend by the palette's gradients (a straight-through estimate).
    """

    _shown: tuple[FloatArray, FloatArray] | None  # params and encoded, until the variables change

    def __init__(
        self,
        params: FloatArray,  # [N, 9], colors display-encoded
        bounds: Bounds,
        frozen: BoolArray,  # [N, 9] what stays as it is
        rule: AdamRule,
        *,
        linear: bool = False,
        palette: FloatArray | None = None,  # [P, 3] display-encoded
    ) -> None:
        self._rule, self._linear = rule, linear
        self._palette = None if palette is None else np.ascontiguousarray(palette)
        self._limited = False  # to the palette
        free = np.where(frozen, params, bounds.clamp(params))
        age = np.zeros((len(free), 1), np.float32)
        self.adopt(Variables(free, np.zeros_like(free), np.zeros_like(free), age, bounds.low, bounds.high, frozen))

    @property
    def encoded(self) -> FloatArray:
        """The params [N, 9] with display-encoded colors; later steps do not change them."""
        return self._show()[1]

    @property
    def params(self) -> FloatArray:
        """The params [N, 9] to draw, colors as composited; later steps do not change them."""
        return self._show()[0]

    def step(self, gradient: FloatArray, rate: float) -> None:
        """Makes a step of Adam by the gradient of params [N, 9]; rate scales it (0 to 1)."""
        shown, own = self._show(), self.variables
        after = replace(own, free=own.free.copy(), first=own.first.copy(), second=own.second.copy(), age=own.age.copy())
        _call("diffbmp_descend", self._descent(after, shown, np.ascontiguousarray(gradient), rate))
        self.adopt(after)

    def limit_colors(self) -> None:
        """Draws only colors of the palette from now on."""
        if not self._limited:
            self._limited, self._shown = True, None

    def move(self, position: FloatArray) -> None:
        """Puts the primitives at these positions [N, 2], px."""
        self.adopt(replace(self.variables, free=np.concatenate([position, self.variables.free[:, 2:]], 1)))

    def rearrange(self, order: IntArray, arriving: FloatArray, bounds: Bounds, frozen: BoolArray) -> None:
        """Puts new primitives [K, 9] (colors display-encoded) in front of those at `order` (index [N - K]).

        bounds and frozen are those of all N afterward.
        """
        fresh, own = np.zeros_like(arriving), self.variables
        first, second = (np.concatenate([fresh, moment[order]]) for moment in (own.first, own.second))
        age = np.concatenate([fresh[:, :1], own.age[order]])
        both = np.concatenate([arriving, own.free[order]])
        free = np.where(frozen, both, bounds.clamp(both))
        self.adopt(Variables(free, first, second, age, bounds.low, bounds.high, frozen))

    def adopt(self, variables: Variables) -> None:
        """Continues from these variables. Call it again after changing them elsewhere."""
        self.variables = variables
        self._shown = None

    def _show(self) -> tuple[FloatArray, FloatArray]:
        """Returns params and encoded [N, 9], and keeps them until the variables change."""
        if self._shown is None:
            shape = self.variables.free.shape
            shown = np.empty(shape, np.float32), np.empty(shape, np.float32)
            _call("diffbmp_show", self._descent(self.variables, shown))
            self._shown = shown
        return self._shown

    def _descent(
        self,
        variables: Variables,
        shown: tuple[FloatArray, FloatArray],
        gradient: FloatArray | None = None,
        rate: float = 0.0,
    ) -> tuple[Descent, object]:
        """Returns the native struct of these arrays, and what it points to."""
        arrays = {name: np.ascontiguousarray(values) for name, values in vars(variables).items()}
        arrays |= {"params": shown[0], "encoded": shown[1]}
        arrays |= {} if gradient is None else {"grad": gradient}
        arrays |= {} if self._palette is None else {"palette": self._palette}
        descent = Descent(
            **{name: values.ctypes.data for name, values in arrays.items()},
            **vars(self._rule),
            count=len(variables.free),
            palette_count=0 if self._palette is None else len(self._palette),
            limited=self._limited,
            linear=self._linear,
            rate=rate,
            shrink=1.0,
        )
        return descent, arrays


def decoding_slope(encoded: FloatArray) -> FloatArray:
    """Returns the derivative of color.decode: float32 of the same shape."""
    encoded = np.ascontiguousarray(encoded)
    result = np.empty_like(encoded)
    function("diffbmp_decoding_slope", FLOATS, FLOATS, c_int64)(encoded, result, encoded.size)
    return result


def _call(name: str, descent: tuple[Descent, object]) -> None:
    function(name, POINTER(Descent), result=c_int64 if name == "diffbmp_show" else None)(descent[0])
