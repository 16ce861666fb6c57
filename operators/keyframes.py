"""Clips to F-curves: the planes of a layout with several frames move, turn, grow and fade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ..backend.job import Layout
from .compat import channelbag_of
from .planes import UNIT, Transforms, transforms
from .thinning import thinned

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LEVELS_PER_PIXEL = 16.0
"""By how many 8-bit levels a colour or an opacity may be off for each pixel that a place may: 4 at 0.25 px."""


def key_planes(layout: Layout, planes: list[bpy.types.Object], name: str, tolerance: float) -> int:
    """Animates planes as the layout's frames say. Returns the number of keys.

    tolerance: how far a key may be left out, px: a place, an edge by its scale, a corner by its rotation may be so much
    off where there is none, and colours and opacities LEVELS_PER_PIXEL levels for each; 0 = keys in every frame.

    All planes share one action, in which each has a slot of its own: the action editor shows what is selected, and the
    file is not filled with thousands of actions.
    """
    channels = _channels(layout, transforms(layout), tolerance)
    times = np.array(layout.frames, np.float64)
    action = bpy.data.actions.new(name)
    bags: dict[int, bpy.types.ActionChannelbag] = {}
    count = 0

    def bag(row: int) -> bpy.types.ActionChannelbag:
        if row not in bags:
            bags[row] = channelbag_of(action, planes[row])
        return bags[row]

    for channel in channels:
        count += channel.write(times, planes, bag)
    hidden = _hidden(layout)
    for row in hidden.any(0).nonzero()[0].tolist():
        changes = np.flatnonzero(np.diff(hidden[:, row], prepend=~hidden[0, row]))
        for path in ("hide_render", "hide_viewport"):
            _write_steps(bag(row).fcurves.new(path), times[changes], hidden[changes, row].astype(np.float64))
        count += 2 * len(changes)
    return count


@dataclass
class _Channel:
    """One property of all planes."""

    path: str
    index: int
    values: FloatArray  # [N, F]
    tolerance: FloatArray  # [N, F] infinite where it does not matter
    steps: BoolArray  # [N, F] jumps between the frame before and this one

    def write(
        self,
        times: FloatArray,
        planes: list[bpy.types.Object],
        bag: Callable[[int], bpy.types.ActionChannelbag],  # by the plane's number
    ) -> int:
        """Makes the F-curves of the planes whose value changes. Returns the number of keys."""
        keys, slopes = thinned(times, self.values, self.tolerance, self.steps)
        number = keys.sum(1)
        # What is seen but once need not be in the first frame what it is then.
        for row in (number == 1).nonzero()[0].tolist():
            getattr(planes[row], self.path)[self.index] = self.values[row, keys[row].argmax()]
        for row in (number > 1).nonzero()[0].tolist():
            at = np.flatnonzero(keys[row])
            held = self._held(row, at)
            _write(
                bag(row).fcurves.new(self.path, index=self.index),
                times[at],
                self.values[row, at],
                slopes[row, at],
                held,
            )
        return int(number[number > 1].sum())

    def _held(self, row: int, at: NDArray[np.int64]) -> BoolArray:
        """After which keys the value is held: where a run ends before the next one, [K]."""
        breaks = self.steps[row] | ~np.isfinite(self.tolerance[row])
        total = breaks.cumsum()
        held = np.ones(len(at), np.bool_)
        held[:-1] = total[at[1:]] > total[at[:-1]]
        return held


def _channels(layout: Layout, moves: Transforms, tolerance: float) -> list[_Channel]:
    hidden, cuts = _hidden(layout), _cuts(layout)
    seen = layout.opacity > 0
    jumps = np.zeros_like(seen)
    # Where a primitive has gone elsewhere: it is unseen there already, and held where it was until then.
    jumps[1:] = seen[:-1] & ~seen[1:]
    jumps |= cuts[:, None]
    pixels = np.where(hidden, np.inf, tolerance if tolerance > 0 else 0.0)
    levels = np.where(hidden, np.inf, tolerance * LEVELS_PER_PIXEL / 255.0)
    reach = np.linalg.norm(moves.scale, axis=2) / UNIT  # [F, N] px
    fades = np.broadcast_to(cuts[:, None], seen.shape)
    length = pixels * UNIT
    parts = [("location", i, moves.location[..., i], length, jumps) for i in (0, 1)]
    parts.append(("location", 2, moves.location[..., 2], np.where(hidden, np.inf, 0.0), jumps))
    parts += [("scale", i, moves.scale[..., i], length, jumps) for i in (0, 1)]
    parts.append(("rotation_euler", 2, moves.rotation, pixels / np.maximum(reach, 1e-6), jumps))
    parts += [("color", i, moves.color[..., i], levels, jumps) for i in range(3)]
    parts.append(("color", 3, moves.color[..., 3], levels, fades))
    return [_Channel(path, i, *(np.ascontiguousarray(plane.T) for plane in planes)) for path, i, *planes in parts]


def _cuts(layout: Layout) -> BoolArray:
    """Before which frames there is a cut: no primitive is seen on both sides. [F]"""
    seen = layout.opacity > 0
    cuts = np.zeros(len(seen), np.bool_)
    cuts[1:] = ~(seen[1:] & seen[:-1]).any(1)
    return cuts


def _hidden(layout: Layout) -> BoolArray:
    """From which frames to the next a primitive is not seen at all: [F, N]."""
    unseen = layout.opacity == 0
    fades_in = np.zeros_like(unseen)
    fades_in[:-1] = ~unseen[1:] & ~_cuts(layout)[1:, None]
    # A single unseen frame is the end of one fade and the beginning of another.
    return unseen & ~fades_in


def _write(curve: bpy.types.FCurve, times: FloatArray, values: FloatArray, slopes: FloatArray, held: BoolArray) -> None:
    """Keys with the handles of the cubics between them: a third of the way, so that time runs evenly along them."""
    points = curve.keyframe_points
    points.add(len(times))
    third = np.diff(times) / 3.0
    left, right = np.append(third[:1], third), np.append(third, third[-1:])
    points.foreach_set("co", np.stack([times, values], 1).ravel())
    points.foreach_set("handle_left", np.stack([times - left, values - left * slopes], 1).ravel())
    points.foreach_set("handle_right", np.stack([times + right, values + right * slopes], 1).ravel())
    free = np.full(len(times), _enum("handle_left_type", "FREE"), np.int32)
    points.foreach_set("handle_left_type", free)
    points.foreach_set("handle_right_type", free)
    kinds = np.where(held, _enum("interpolation", "CONSTANT"), _enum("interpolation", "BEZIER"))
    points.foreach_set("interpolation", kinds.astype(np.int32))


def _write_steps(curve: bpy.types.FCurve, times: FloatArray, values: FloatArray) -> None:
    points = curve.keyframe_points
    points.add(len(times))
    points.foreach_set("co", np.stack([times, values], 1).ravel())
    points.foreach_set("interpolation", np.full(len(times), _enum("interpolation", "CONSTANT"), np.int32))


def _enum(name: str, item: str) -> int:
    return bpy.types.Keyframe.bl_rna.properties[name].enum_items[item].value
