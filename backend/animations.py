"""Clips made of still layouts: from one to the next, and a picture that appears stamp by stamp."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .easings import eased
from .files import UserError
from .job import Layout
from .templates import Templates

Index = NDArray[np.int64]
FloatArray = NDArray[np.float64]

BIAS = 1.0
"""Texels to a canvas pixel, for the mip levels of primitives whose size changes."""

_LEAST_SIZE = 1e-3  # of what grows, at first
_MOST_DISTANCES = 8192  # primitives of a stamp between which all distances are looked at
_DEPTH_STEPS = 64  # of a place in the order: primitives change places one after the other


def transition(
    layouts: list[Layout],
    templates: Templates,
    *,
    frames: int,
    hold: int = 0,
    easing: str = "smooth",
    fps: float = 24.0,
) -> Layout:
    """A clip that shows still layouts of one canvas and the same stamps, one after the other.

    frames: of each way from one to the next; hold: for which each stands still. A primitive goes to where one of the
    same stamp lies in the next layout: to its nearest if they are each other's, else along a curve over the canvas.
    What has no counterpart fades. Rotations take the shorter way. Raises UserError for layouts that do not go together.
    """
    _check(layouts)
    layouts = [_first(layout) for layout in layouts]
    tracks = _tracks(layouts)
    times = _times(len(layouts), frames, hold, easing)
    stills = [_Still.of(layout, tracks[:, number]) for number, layout in enumerate(layouts)]
    poses = [_between(stills, leg, share) for leg, share in times]
    return _clip(layouts, stills, tracks, poses, templates, fps)


def growth(
    layout: Layout,
    *,
    frames: int,
    order: str = "back",
    easing: str = "smooth",
    hold: int = 0,
    overlap: float = 0.25,
    fps: float = 24.0,
    seed: int = 0,
) -> Layout:
    """A clip in which the stamps of a still layout appear, one after the other.

    order: "back", "random", "left" or "center". overlap: share of the time in which a stamp grows. hold: frames in
    which all is there.
    """
    layout = _first(layout)
    count = layout.count
    rank = np.empty(count)
    rank[np.argsort(_growth_key(layout, order, seed), kind="stable")] = np.arange(count)
    begin = (1.0 - overlap) * rank / max(1, count - 1)
    time = np.append(np.linspace(0.0, 1.0, frames), np.ones(hold))[:, None]
    t = ((time - begin) / max(overlap, 1e-6)).clip(0.0, 1.0)
    size = np.maximum(eased(easing, t), _LEAST_SIZE)
    seen = np.minimum(1.0, 3.0 * t)
    names = ("x", "y", "aspect", "rotation", "color")
    still: dict[str, Any] = {name: np.repeat(getattr(layout, name), len(time), 0) for name in names}
    return replace(
        layout,
        **still,
        scale=layout.scale * size,
        opacity=layout.opacity * seen,
        depth=None if layout.depth is None else np.repeat(layout.depth, len(time), 0),
        frames=list(range(1, len(time) + 1)),
        fps=fps,
    )


def _check(layouts: list[Layout]) -> None:
    first = layouts[0]
    for layout in layouts[1:]:
        if (layout.width, layout.height) != (first.width, first.height):
            raise UserError("The layouts have canvases of different sizes: fit them with one size and shape")
        if layout.space != first.space:
            raise UserError("The layouts are composited in different spaces: fit them with one --space")
        stamps = [[(t.name, t.mode, t.blend, t.width, t.height) for t in x.templates] for x in (first, layout)]
        if stamps[0] != stamps[1]:
            raise UserError("The layouts have different stamps: fit them with the same ones, in the same order")


def _first(layout: Layout) -> Layout:
    return layout.only([0])


def _times(count: int, frames: int, hold: int, easing: str) -> list[tuple[int, float]]:
    """Which leg each frame is on, and how far along it."""
    times = [(0, 0.0)] * max(1, hold)
    for leg in range(count - 1):
        shares = eased(easing, np.arange(1, frames + 1) / frames)
        times += [(leg, float(share)) for share in shares] + [(leg, 1.0)] * max(0, hold - 1)
    return times


@dataclass
class _Still:
    """A layout's values in the order of the tracks."""

    values: dict[str, FloatArray]  # [N] or [N, 3]
    here: NDArray[np.bool_]  # [N]
    depth: FloatArray  # [N]

    @classmethod
    def of(cls, layout: Layout, rows: Index) -> _Still:
        """rows: [N] the primitive of each track, -1 = none."""
        names = ("x", "y", "scale", "aspect", "rotation", "opacity", "color")
        values = {name: getattr(layout, name)[0][rows].astype(np.float64) for name in names}
        values["opacity"] = np.where(rows >= 0, values["opacity"], 0.0)
        place = np.empty(layout.count)
        place[layout.order(0)] = np.arange(layout.count)
        return cls(values, rows >= 0, place[rows])


def _between(stills: list[_Still], leg: int, share: float) -> tuple[dict[str, FloatArray], FloatArray]:
    """The values and the depths on the way from a layout to the next."""
    if len(stills) == 1:
        return stills[0].values, stills[0].depth
    a, b = stills[leg], stills[leg + 1]
    inner = min(max(share, 0.0), 1.0)
    values = {}
    for name, start in a.values.items():
        # What is in one of them only stays where it is, and fades.
        end = _where(b.here, b.values[name], start)
        start = _where(a.here, start, end)
        if name in ("scale", "aspect"):
            values[name] = np.exp((1.0 - share) * np.log(start) + share * np.log(end))
        elif name == "rotation":
            turn = end - start
            values[name] = start + share * (turn - 2.0 * np.pi * np.round(turn / (2.0 * np.pi)))
        elif name in ("x", "y"):
            values[name] = (1.0 - share) * start + share * end
        else:
            values[name] = (1.0 - inner) * start + inner * end
    values["opacity"] = (1.0 - inner) * a.values["opacity"] + inner * b.values["opacity"]
    depth = (1.0 - inner) * _where(a.here, a.depth, b.depth) + inner * _where(b.here, b.depth, a.depth)
    return values, depth


def _where(condition: NDArray[np.bool_], yes: FloatArray, no: FloatArray) -> FloatArray:
    return np.where(condition.reshape(-1, *[1] * (yes.ndim - 1)), yes, no)


def _clip(
    layouts: list[Layout],
    stills: list[_Still],
    tracks: Index,  # [N, L]
    poses: list[tuple[dict[str, FloatArray], FloatArray]],
    templates: Templates,
    fps: float,
) -> Layout:
    arrays: dict[str, Any] = {name: np.stack([values[name] for values, _ in poses]) for name in poses[0][0]}
    owner = (tracks >= 0).argmax(1)
    for name in ("template", "region", "mirror", "locked"):
        planes = [getattr(layout, name)[tracks[:, number]] for number, layout in enumerate(layouts)]
        arrays[name] = np.choose(owner, planes)
    here = (tracks >= 0).T
    mean = {
        name: np.exp((np.log([still.values[name] for still in stills]) * here).sum(0) / here.sum(0))
        for name in ("scale", "aspect")
    }
    template = torch.from_numpy(arrays["template"]).long()
    scale, aspect = (torch.from_numpy(mean[name]).float() for name in ("scale", "aspect"))
    arrays["level"] = templates.choose_levels(template, scale, aspect, BIAS).numpy()
    depth = np.stack([np.round(_DEPTH_STEPS * depth) for _, depth in poses])
    return replace(layouts[0], **arrays, depth=depth, frames=list(range(1, len(poses) + 1)), fps=fps)


def _tracks(layouts: list[Layout]) -> Index:
    """Which primitive of each layout is the same: [N, L], -1 = there is none."""
    tracks = np.arange(layouts[0].count)[:, None]
    for before, after in itertools.pairwise(layouts):
        counterpart = _matched(before, after)  # [N of before], -1 = none
        last = tracks[:, -1]
        column = np.where(last >= 0, counterpart[last], -1)
        new = np.setdiff1d(np.arange(after.count), counterpart)
        rows = np.full((len(new), tracks.shape[1] + 1), -1)
        rows[:, -1] = new
        tracks = np.concatenate([np.column_stack([tracks, column]), rows])
    return tracks


def _matched(before: Layout, after: Layout) -> Index:
    """The counterpart of each primitive: [N], -1 = none."""
    counterpart = np.full(before.count, -1)
    kinds = [2 * layout.template.astype(np.int64) + layout.mirror for layout in (before, after)]
    for kind in np.intersect1d(kinds[0], kinds[1]):
        ours, theirs = (np.flatnonzero(kinds[side] == kind) for side in (0, 1))
        mine, near = _nearest(before, after, ours, theirs)
        counterpart[ours[mine]] = theirs[near]
        rest = [np.delete(ours, mine), np.delete(theirs, near)]
        count = min(map(len, rest))
        if count:
            # As many of each, spread evenly along the curve.
            picked = []
            for layout, rows in zip((before, after), rest, strict=True):
                along = rows[np.argsort(_curve(layout, rows), kind="stable")]
                picked.append(along[(np.arange(count) * len(rows)) // count])
            counterpart[picked[0]] = picked[1]
    return counterpart


def _nearest(before: Layout, after: Layout, ours: Index, theirs: Index) -> tuple[Index, Index]:
    """Pairs that are each other's nearest and overlap: places in `ours` and in `theirs`."""
    if max(len(ours), len(theirs)) > _MOST_DISTANCES:
        return ours[:0], theirs[:0]
    points = [
        torch.from_numpy(np.column_stack([layout.x[0][rows], layout.y[0][rows], layout.scale[0][rows]]))
        for layout, rows in ((before, ours), (after, theirs))
    ]
    distance = torch.cdist(points[0], points[1])
    forth, back = distance.min(1), distance.min(0).indices
    mutual = (back[forth.indices] == torch.arange(len(ours))) & (forth.values <= points[0][:, 2])
    mine = mutual.nonzero()[:, 0]
    return mine.numpy(), forth.indices[mine].numpy()


def _curve(layout: Layout, rows: Index) -> Index:
    """Places along a Morton curve, which keeps neighbours together."""
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
