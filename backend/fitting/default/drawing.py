"""Candidates are drawn and varied natively (csrc/search_cpu.cpp), by random numbers that count."""

from __future__ import annotations

import ctypes
from ctypes import POINTER
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...native.arrays import BoolArray, FloatArray, IntArray
from ...native.calls import function
from ...native.structs import Float, Long, Pointer, UnsignedLong, struct
from ..random import Random
from ..recipe import Recipe
from .choice import Choice

BLOCK = 16
"""Pixels of a running sum: kBlock of search_cpu.cpp."""
DRAWN, VARIED = 12, 8
"""Random numbers of a candidate that is drawn or varied."""


@struct
class Drawing(ctypes.Structure):
    """Mirror of struct Drawing of search_cpu.cpp."""

    __slots__ = ()
    loss_map: Pointer = None
    sums: Pointer = None
    tensor: Pointer = None
    low: Pointer = None
    high: Pointer = None
    free: Pointer = None
    may_mirror: Pointer = None
    stretch: Pointer = None
    long_axis: Pointer = None
    shares: Pointer = None
    params: Pointer = None
    stamp: Pointer = None
    mirror: Pointer = None
    count: Long = 0
    templates: Long = 0
    height: Long = 0
    width: Long = 0
    step: Long = 0
    key: UnsignedLong = 0
    counter: Long = 0
    shrink: Float = 0.0
    error_blur: Float = 0.0
    smallest: Float = 0.0
    largest: Float = 0.0
    opacity: Float = 0.0
    least_scale: Float = 0.0
    oriented: Float = 0.0
    stretched: Float = 0.0
    turned: Float = 0.0
    reach: Float = 0.0


class Drawer:
    """Draws candidates for a picture, and varies them, within the limits of their templates."""

    def __init__(
        self,
        tensor: FloatArray,  # [3, h / step, w / step] of the picture: see orientation.edges
        choice: Choice,
        recipe: Recipe,
        random: Random,
        *,
        spacing: float,  # mean spacing of the primitives, px
        shrink: int,  # canvas pixels per pixel of the picture
        step: int = 1,  # pixels of the picture per value of the tensor
    ) -> None:
        limits, largest = choice.limits, recipe.largest_candidate * spacing
        bounds = limits.bounds(np.arange(len(choice.templates)))
        self._random = random
        self._arrays: dict[str, NDArray[Any]] = {
            "tensor": np.ascontiguousarray(tensor),
            "low": np.ascontiguousarray(bounds.low),
            "high": np.ascontiguousarray(bounds.high),
            "free": limits.free.astype(np.uint8),
            "may_mirror": limits.may_mirror.astype(np.uint8),
            "stretch": np.ascontiguousarray(limits.stretch),
            "long_axis": choice.long_axes,
            "shares": choice.capacities.cumsum(),
        }
        self._struct = Drawing(
            **{name: array.ctypes.data for name, array in self._arrays.items()},
            templates=len(choice.templates),
            step=step,
            key=random.key,
            shrink=shrink,
            error_blur=recipe.error_blur,
            smallest=min(max(recipe.candidate_floor, recipe.smallest_candidate * spacing), largest),
            largest=largest,
            opacity=recipe.candidate_opacity,
            least_scale=recipe.least_scale,
            oriented=recipe.oriented,
            stretched=recipe.stretched,
            turned=recipe.turned,
        )

    def draw(self, loss_map: FloatArray, count: int) -> tuple[FloatArray, IntArray, BoolArray]:
        """Draws params [count, 9], templates and mirrors, more of them where the loss [h, w] is. Colors are gray."""
        drawn = np.empty((count, 9), np.float32), np.empty(count, np.int64), np.empty(count, np.bool_)
        self._struct.height, self._struct.width = loss_map.shape
        sums = np.empty(-(-loss_map.size // BLOCK))
        self._call("diffbmp_draw", drawn, DRAWN, loss_map=np.ascontiguousarray(loss_map), sums=sums)
        return drawn

    def vary(
        self, params: FloatArray, template: IntArray, mirror: BoolArray, reach: float
    ) -> tuple[FloatArray, IntArray, BoolArray]:
        """Returns params [M, 9], templates and mirrors near given ones. reach: in half axes, and radians."""
        varied = params.copy(), template.copy(), mirror.copy()
        self._struct.reach = reach
        self._call("diffbmp_vary", varied, VARIED)
        return varied

    def _call(
        self, name: str, candidates: tuple[FloatArray, IntArray, BoolArray], numbers: int, **arrays: NDArray[Any]
    ) -> None:
        struct, count = self._struct, len(candidates[1])
        struct.count, struct.counter = count, self._random.take(count * numbers)
        struct.params, struct.stamp, struct.mirror = (array.ctypes.data for array in candidates)
        for field, array in arrays.items():
            setattr(struct, field, array.ctypes.data)
        function(name, POINTER(Drawing))(struct)
