"""Clips made from still layouts: transitions, growth stamp by stamp, and the progress of a fit."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..job import MOVING, Animation, Layout, UserError
from ..templates import Templates
from .budget import check_states
from .easings import eased

Index = NDArray[np.int64]
FloatArray = NDArray[np.float64]

BIAS = 1.0
"""Texels per canvas pixel that choose the mip levels of primitives whose size changes."""

_LEAST_SIZE = 1e-3  # initial size of what grows
_MOST_DISTANCES = 8192  # primitives of a stamp for which all distances are computed
_AT_ONCE = 512  # primitives whose distances are in memory
_OF_ALL_FRAMES = ("template", "region", "mirror", "locked")
_DEPTH_STEPS = 64  # per place in the order, so that primitives change places one after the other


def transition(layouts: list[Layout], templates: Templates, animation: Animation) -> Layout:
    """Returns a clip that shows still layouts of one canvas and the same stamps, one after the other.

    A primitive moves to one of the same stamp in the next layout: to its nearest if that is mutual, else by the order
    along a curve over the canvas. A primitive without a counterpart fades. Rotations take the shorter way. Raises
    UserError for layouts that do not match.
    """
    _check(layouts)
    legs, most = len(layouts) - 1, max(layout.count for layout in layouts)
    check_states(animation.hold + legs * (animation.frames + max(0, animation.hold - 1)), most)
    layouts = [layout.only([0]) for layout in layouts]
    times = _times(len(layouts), animation.frames, animation.hold, animation.easing)
    return _clip(layouts, _tracks(layouts, far=True), times, templates, animation.fps)


def course(layouts: list[Layout], templates: Templates) -> Layout:
    """Returns a clip whose frames are states of one fit, in their order.

    A primitive continues as the nearest one of the same stamp in the next state if that is mutual and they overlap;
    others appear and disappear.
    """
    return _clip(layouts, _tracks(layouts, far=False), _times(len(layouts), 1, 0, "linear"), templates, layouts[0].fps)


def retimed(clip: Layout, animation: Animation) -> Layout:
    """Returns a clip of another length, by nearest frames. Raises UserError where it would be too large."""
    check_states(animation.frames + animation.hold, clip.count)
    share = np.append(eased(animation.easing, np.linspace(0.0, 1.0, animation.frames)), np.ones(animation.hold))
    index = np.round(share * (len(clip.frames) - 1)).astype(int).clip(0, len(clip.frames) - 1)
    return replace(clip.only(index.tolist()), frames=list(range(1, len(index) + 1)), fps=animation.fps)


def growth(layout: Layout, animation: Animation, *, seed: int = 0) -> Layout:
    """Returns a clip in which the stamps of a still layout appear, one after the other.

    Raises UserError where it would be too large.
    """
    layout = layout.only([0])
    count = layout.count
    check_states(animation.frames + animation.hold, count)
    rank = np.empty(count)
    rank[np.argsort(_growth_key(layout, animation.order, seed), kind="stable")] = np.arange(count)
    overlap = max(animation.overlap, 1e-6)
    begin = (1.0 - overlap) * rank / max(1, count - 1)
    time = np.append(np.linspace(0.0, 1.0, animation.frames), np.ones(animation.hold))
    scale, opacity = (np.empty((len(time), count), np.float32) for _ in range(2))
    for row, moment in enumerate(time):
        t = ((moment - begin) / overlap).clip(0.0, 1.0)
        scale[row] = layout.scale[0] * np.maximum(eased(animation.easing, t), _LEAST_SIZE)
        opacity[row] = layout.opacity[0] * np.minimum(1.0, 3.0 * t)
    names = ("x", "y", "aspect", "rotation", "color")
    still: dict[str, Any] = {name: np.repeat(getattr(layout, name), len(time), 0) for name in names}
    return replace(
        layout,
        **still,
        scale=scale,
        opacity=opacity,
        depth=None if layout.depth is None else np.repeat(layout.depth, len(time), 0),
        frames=list(range(1, len(time) + 1)),
        fps=animation.fps,
    )


def _check(layouts: list[Layout]) -> None:
    first = layouts[0]
    for layout in layouts[1:]:
        if (layout.width, layout.height) != (first.width, first.height):
            raise UserError("The layouts have canvases of different sizes: fit them with one size and shape")
        if (layout.background, layout.transparent) != (first.background, first.transparent):
            raise UserError("The layouts have different backgrounds: fit them with one --background")
        if layout.space != first.space:
            raise UserError("The layouts are composited in different spaces: fit them with one --space")
        stamps = [[(t.name, t.mode, t.blend, t.width, t.height) for t in x.templates] for x in (first, layout)]
        if stamps[0] != stamps[1]:
            raise UserError("The layouts have different stamps: fit them with the same ones, in the same order")


def _times(count: int, frames: int, hold: int, easing: str) -> list[tuple[int, float]]:
    """Returns the transition of each frame, and the share of it that is done."""
    times = [(0, 0.0)] * max(1, hold)
    for leg in range(count - 1):
        shares = eased(easing, np.arange(1, frames + 1) / frames)
        times += [(leg, float(share)) for share in shares] + [(leg, 1.0)] * max(0, hold - 1)
    return times


def _clip(
    layouts: list[Layout],
    tracks: Index,  # [N, L]
    times: list[tuple[int, float]],
    templates: Templates,
    fps: float,
) -> Layout:
    check_states(len(times), len(tracks))
    # Before and after its time, a primitive stays in place, unseen. It never returns.
    here = tracks.T >= 0  # [L, N]
    begin, end = here.argmax(0), len(layouts) - 1 - here[::-1].argmax(0)
    nearest = np.arange(len(layouts))[:, None].clip(begin, end)
    every = np.arange(len(tracks))
    index = np.cumsum([0, *(layout.count for layout in layouts[:-1])])[nearest] + tracks[every, nearest]
    values = {name: _in_a_row(layouts, name)[index].astype(np.float64) for name in MOVING}  # [L, N] or [L, N, 3]
    values["opacity"] *= here
    place = np.concatenate([np.argsort(layout.order(0)) for layout in layouts])
    values["depth"] = _DEPTH_STEPS * place[index].astype(np.float64)

    arrays: dict[str, Any] = {
        name: np.empty((len(times), *plane.shape[1:]), np.int32 if name == "depth" else np.float32)
        for name, plane in values.items()
    }
    for row, (leg, share) in enumerate(times):
        for name, plane in _between(values, leg, share).items():
            arrays[name][row] = np.round(plane) if name == "depth" else plane
    for name in _OF_ALL_FRAMES:
        arrays[name] = _in_a_row(layouts, name)[index[begin, every]]
    mean = {name: np.exp((np.log(values[name]) * here).sum(0) / here.sum(0)) for name in ("scale", "aspect")}
    scale, aspect = (mean[name].astype(np.float32) for name in ("scale", "aspect"))
    arrays["level"] = templates.choose_levels(arrays["template"].astype(np.int64), scale, aspect, BIAS)
    return replace(layouts[0], **arrays, frames=list(range(1, len(times) + 1)), fps=fps)


def _in_a_row(layouts: list[Layout], name: str) -> NDArray[Any]:
    """Returns the values of all layouts' primitives by name, one after the other: [sum of N] or [sum of N, 3]."""
    planes = [getattr(layout, name) for layout in layouts]
    return np.concatenate([plane if name in _OF_ALL_FRAMES else plane[0] for plane in planes])


def _between(values: dict[str, FloatArray], leg: int, share: float) -> dict[str, FloatArray]:
    """Interpolates values [L, N] or [L, N, 3] between a layout and the next: [N] or [N, 3]."""
    if share == 0.0:
        return {name: plane[leg] for name, plane in values.items()}
    inner = min(max(share, 0.0), 1.0)
    result = {}
    for name, plane in values.items():
        start, end = plane[leg], plane[leg + 1]
        if name in ("scale", "aspect"):
            result[name] = np.exp((1.0 - share) * np.log(start) + share * np.log(end))
        elif name == "rotation":
            turn = end - start
            result[name] = start + share * (turn - 2.0 * np.pi * np.round(turn / (2.0 * np.pi)))
        else:
            way = share if name in ("x", "y") else inner
            result[name] = (1.0 - way) * start + way * end
    return result


def _tracks(layouts: list[Layout], *, far: bool) -> Index:
    """Returns the index of each primitive in each layout: [N, L], -1 = none. far: match distant ones, too."""
    tracks = np.arange(layouts[0].count)[:, None]
    for before, after in itertools.pairwise(layouts):
        counterpart = _matched(before, after, far)  # [N of before], -1 = none
        last = tracks[:, -1]
        column = np.where(last >= 0, counterpart[last], -1)
        new = np.setdiff1d(np.arange(after.count), counterpart)
        rows = np.full((len(new), tracks.shape[1] + 1), -1)
        rows[:, -1] = new
        tracks = np.concatenate([np.column_stack([tracks, column]), rows])
    return tracks


def _matched(before: Layout, after: Layout, far: bool) -> Index:
    """Returns the counterpart of each primitive: [N], -1 = none."""
    counterpart = np.full(before.count, -1)
    kinds = [2 * layout.template.astype(np.int64) + layout.mirror for layout in (before, after)]
    for kind in np.intersect1d(kinds[0], kinds[1]):
        ours, theirs = (np.flatnonzero(kinds[side] == kind) for side in (0, 1))
        if not far and max(len(ours), len(theirs)) > _MOST_DISTANCES:
            # New ones are placed in front, so those at the back correspond.
            least = min(len(ours), len(theirs))
            counterpart[ours[-least:]] = theirs[-least:]
            continue
        mine, near = _nearest(before, after, ours, theirs)
        counterpart[ours[mine]] = theirs[near]
        rest = [np.delete(ours, mine), np.delete(theirs, near)]
        count = min(map(len, rest))
        if count and far:
            # Equally many of both, spread evenly along the curve.
            picked = []
            for layout, rows in zip((before, after), rest, strict=True):
                along = rows[np.argsort(_curve(layout, rows), kind="stable")]
                picked.append(along[(np.arange(count) * len(rows)) // count])
            counterpart[picked[0]] = picked[1]
    return counterpart


def _nearest(before: Layout, after: Layout, ours: Index, theirs: Index) -> tuple[Index, Index]:
    """Returns pairs that are each other's nearest and overlap: places in `ours` and in `theirs`."""
    if max(len(ours), len(theirs)) > _MOST_DISTANCES:
        return ours[:0], theirs[:0]
    points = [
        np.stack([layout.x[0][rows], layout.y[0][rows], layout.scale[0][rows]])
        for layout, rows in ((before, ours), (after, theirs))
    ]
    forth, back = np.empty(len(ours), np.int64), np.zeros(len(theirs), np.int64)
    least, nearest = np.empty(len(ours), np.float32), np.full(len(theirs), np.inf, np.float32)
    for first in range(0, len(ours), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        squares = sum((a[rows, None] - b[None]) ** 2 for a, b in zip(*points, strict=True))
        forth[rows], least[rows] = squares.argmin(1), squares.min(1)
        closer = squares.min(0) < nearest
        back[closer], nearest[closer] = first + squares.argmin(0)[closer], squares.min(0)[closer]
    mine = np.flatnonzero((back[forth] == np.arange(len(ours))) & (np.sqrt(least) <= points[0][2]))
    return mine, forth[mine]


def _curve(layout: Layout, rows: Index) -> Index:
    """Returns places along a Morton curve, which keeps neighbors together."""
    code = np.zeros(len(rows), np.int64)
    for shift, plane, size in ((0, layout.x, layout.width), (1, layout.y, layout.height)):
        cell = (plane[0][rows] / size * 1024).astype(np.int64).clip(0, 1023)
        for bit in range(10):
            code |= ((cell >> bit) & 1) << (2 * bit + shift)
    return code


def _growth_key(layout: Layout, order: str, seed: int) -> FloatArray:
    if order == "back":
        key = np.empty(layout.count)
        key[layout.order(0)] = np.arange(layout.count)[::-1]
        return key
    if order == "random":
        return np.random.default_rng(seed).random(layout.count)
    x, y = layout.x[0].astype(np.float64), layout.y[0].astype(np.float64)
    return x if order == "left" else np.hypot(x - layout.width / 2, y - layout.height / 2)
