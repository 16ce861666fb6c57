"""Keys the planes of a layout with several frames: they move, turn, grow and fade."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.job import Layout
from ..blender.versions import channelbag_of
from .planes import UNIT, Transforms, transforms
from .thinning import thinned

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

TOLERANCE = 0.25
"""Default error that leaving out keys may cause, px."""

LEVELS_PER_PIXEL = 16.0
"""Error of colors and opacities in 8-bit levels that is as tolerable as a pixel of position: 4 at 0.25 px."""


def key_planes(
    layout: Layout,
    planes: list[bpy.types.Object],
    rows: Sequence[int],
    name: str,
    tolerance: float,
    spread: float = 0.0,
) -> int:
    """Animates the planes of some primitives over the layout's frames. Returns the number of keys.

    rows: the primitives' numbers from 0. name: of the action. spread: see transforms(). tolerance: the error that
    leaving out keys may cause, px, in positions, in edges by the scale and in corners by the rotation; in colors and
    opacities LEVELS_PER_PIXEL levels for each pixel. 0 = keys in every frame.

    All planes share one action, with a slot each: the action editor shows the selected ones, and the file is not filled
    with thousands of actions.
    """
    cut, seen = cuts(layout), layout.opacity[:, rows] > 0
    channels = _channels(transforms(layout, spread=spread).of(rows), seen, cut, tolerance)
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
    hidden = _hidden(seen, cut)
    for row in hidden.any(0).nonzero()[0].tolist():
        changes = np.flatnonzero(np.diff(hidden[:, row], prepend=~hidden[0, row]))
        for path in ("hide_render", "hide_viewport"):
            write_steps(bag(row).fcurves.new(path), times[changes], hidden[changes, row].astype(np.float64))
        count += 2 * len(changes)
    return count


@dataclass
class _Channel:
    """One property of all planes."""

    path: str
    index: int
    values: FloatArray  # [N, F]
    tolerance: FloatArray  # [N, F] infinite where the value does not matter
    steps: BoolArray  # [N, F] the value jumps between the frame before and this one

    def write(
        self,
        times: FloatArray,
        planes: list[bpy.types.Object],
        bag: Callable[[int], bpy.types.ActionChannelbag],  # by the plane's number
    ) -> int:
        """Makes the F-curves of the planes whose value changes. Returns the number of keys."""
        keys, slopes = thinned(times, self.values, self.tolerance, self.steps)
        number = keys.sum(1)
        # A single key need not be in the first frame: the property has its value in all of them.
        for row in (number == 1).nonzero()[0].tolist():
            getattr(planes[row], self.path)[self.index] = self.values[row, keys[row].argmax()]
        keys[number < 2] = False
        points = self._points(times, keys, slopes)
        end = 0
        for row in (number > 1).nonzero()[0].tolist():
            begin, end = end, end + int(number[row])
            _write(bag(row).fcurves.new(self.path, index=self.index).keyframe_points, points, slice(begin, end))
        return end

    def _points(self, times: FloatArray, keys: BoolArray, slopes: FloatArray) -> dict[str, NDArray[Any]]:
        """Returns all keys of all curves by Blender's names of their properties, a row per key.

        Handles reach a third of the way to the next key, so that time runs evenly along the cubics.
        """
        rows, at = keys.nonzero()
        time, value, slope = times[at], self.values[rows, at], slopes[rows, at]
        third = np.diff(time, append=0.0) / 3.0
        last = np.diff(rows, append=-1) != 0
        first = np.roll(last, 1)
        left = np.where(first, third, np.roll(third, 1))
        right = np.where(last, left, third)
        # The value is held after a key whose run ends before the next key.
        runs = (self.steps | ~np.isfinite(self.tolerance)).cumsum(1)[rows, at]
        held = last | (np.diff(runs, append=0) != 0)
        return {
            "co": np.stack([time, value], 1),
            "handle_left": np.stack([time - left, value - left * slope], 1),
            "handle_right": np.stack([time + right, value + right * slope], 1),
            "handle_left_type": np.full(len(at), _enum("handle_left_type", "FREE"), np.int32),
            "handle_right_type": np.full(len(at), _enum("handle_right_type", "FREE"), np.int32),
            "interpolation": _interpolations(held, "BEZIER"),
        }


def _channels(moves: Transforms, seen: BoolArray, cut: BoolArray, tolerance: float) -> list[_Channel]:
    hidden = _hidden(seen, cut)
    jumps = np.zeros_like(seen)
    # A primitive that has moved elsewhere is unseen there already, and stays where it was until then.
    jumps[1:] = seen[:-1] & ~seen[1:]
    jumps |= cut[:, None]
    pixels = np.where(hidden, np.inf, tolerance if tolerance > 0 else 0.0)
    levels = np.where(hidden, np.inf, tolerance * LEVELS_PER_PIXEL / 255.0)
    reach = np.linalg.norm(moves.scale, axis=2) / UNIT  # [F, N] px
    fades = np.broadcast_to(cut[:, None], seen.shape)
    # The end of a fade matters, though nothing is seen from there on.
    ends = np.zeros_like(seen)
    ends[1:] = seen[:-1] & ~seen[1:] & ~cut[1:, None]
    opacities = np.where(ends, tolerance * LEVELS_PER_PIXEL / 255.0, levels)
    length = pixels * UNIT
    parts = [("location", i, moves.location[..., i], length, jumps) for i in (0, 1)]
    parts.append(("location", 2, moves.location[..., 2], np.where(hidden, np.inf, 0.0), jumps))
    parts += [("scale", i, moves.scale[..., i], length, jumps) for i in (0, 1)]
    parts.append(("rotation_euler", 2, moves.rotation, pixels / np.maximum(reach, 1e-6), jumps))
    parts += [("color", i, moves.color[..., i], levels, jumps) for i in range(3)]
    parts.append(("color", 3, moves.color[..., 3], opacities, fades))
    return [_Channel(path, i, *(np.ascontiguousarray(plane.T) for plane in planes)) for path, i, *planes in parts]


def cuts(layout: Layout) -> BoolArray:
    """Returns before which frames there is a cut, where no primitive is seen on both sides: [F] bool."""
    seen = layout.opacity > 0
    cut = np.zeros(len(seen), np.bool_)
    cut[1:] = ~(seen[1:] & seen[:-1]).any(1)
    return cut


def _hidden(seen: BoolArray, cut: BoolArray) -> BoolArray:
    """Returns from which frames to the next each primitive is unseen all the time: [F, N] bool."""
    fades_in = np.zeros_like(seen)
    fades_in[:-1] = seen[1:] & ~cut[1:, None]
    # A single unseen frame is the end of one fade and the beginning of another.
    return ~seen & ~fades_in


def _write(points: bpy.types.FCurveKeyframePoints, values: dict[str, NDArray[Any]], which: slice) -> None:
    points.add(which.stop - which.start)
    for name, rows in values.items():
        points.foreach_set(name, rows[which].ravel())


def write_steps(curve: bpy.types.FCurve, times: FloatArray, values: FloatArray, held: BoolArray | None = None) -> None:
    """Adds keys [K] that hold their value or lead straight to the next. held: which hold; None = all."""
    points = curve.keyframe_points
    points.add(len(times))
    points.foreach_set("co", np.stack([times, values], 1).ravel())
    constant = np.ones(len(times), np.bool_) if held is None else held
    points.foreach_set("interpolation", _interpolations(constant, "LINEAR"))
    curve.update()


def _interpolations(held: BoolArray, other: str) -> NDArray[np.int32]:
    return np.where(held, _enum("interpolation", "CONSTANT"), _enum("interpolation", other)).astype(np.int32)


def _enum(name: str, item: str) -> int:
    return bpy.types.Keyframe.bl_rna.properties[name].enum_items[item].value
