"""Usage of stamps: shares, greatest numbers, and equal use at the start."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_int64

import numpy as np
from numpy.typing import NDArray

from ...job import UserError, quoted
from ...native.arrays import FloatArray, IntArray
from ...native.calls import function
from ...native.structs import Double, Long, Pointer, struct
from ...templates import Templates
from ..random import Random
from .conflicts import Conflicts


@struct
class Matching(ctypes.Structure):
    """Mirror of struct Matching of csrc/match_cpu.cpp."""

    __slots__ = ()
    cost: Pointer = None
    owner: Pointer = None
    gain: Pointer = None
    stamp: Pointer = None
    room: Pointer = None
    position: Pointer = None
    radius: Pointer = None
    primitives: Pointer = None
    victim_of: Pointer = None
    removed: Pointer = None
    added: Pointer = None
    memory: Pointer = None
    victims: Long = 0
    candidates: Long = 0
    templates: Long = 0
    count: Long = 0
    separation: Double = 0.0
    spacing: Double = 0.0


def capacities(templates: Templates, count: int, usage: str) -> IntArray:
    """Returns the greatest number of primitives of each template, out of `count`: [T] int64.

    usage "free": the `most` of its limits. "shares": its exact number by the `share` of its limits; they sum to count.
    A share beyond its `most` goes to the others.

    Raises UserError where the stamps together allow fewer than `count` primitives.
    """
    limits = [item.limits for item in templates.items]
    most = np.array([min(item.most or count, count) for item in limits], np.int64)
    share = np.array([item.share for item in limits])
    if usage == "shares":
        if not share.any():
            raise UserError("The shares of all stamps are 0, so none would be used: give at least one a share above 0")
        most[share == 0] = 0
    if most.sum() < count:
        raise UserError(_too_few(templates, int(most.sum()), count, usage))
    return divided(share, most, count) if usage == "shares" else most


def check_usage(template: IntArray, templates: Templates) -> None:
    """Raises UserError where primitives to continue from use a template [N] more often than its limits allow."""
    for item, used in zip(templates.items, np.bincount(template, minlength=len(templates)).tolist(), strict=True):
        most = item.limits.most
        if 0 < most < used:
            raise UserError(
                f"The layout to continue from uses the stamp {quoted(item.name)} {used:,} times, but {most:,} is the "
                "most: raise that, or start without the layout"
            )


def assign(capacity: IntArray, count: int, random: Random) -> IntArray:
    """Returns the templates of `count` primitives to start with: [N].

    All are used equally often, within their capacity [T]. Each is spread evenly over the sequence, so that its copies
    are apart where primitives follow a curve over the canvas.
    """
    used = divided(np.ones(len(capacity)), capacity, count)
    template = np.repeat(np.arange(len(capacity)), used)
    use = np.arange(count) - (used.cumsum() - used)[template]
    place = (use + random.uniform64(count)) / used[template]
    return template[np.argsort(place, kind="stable")]


def match(
    loss: FloatArray,  # [K] ascending: what removing each of K primitives costs
    loss_template: IntArray,  # [K]
    gain: FloatArray,  # [M] descending: what adding each of M candidates gains
    gain_template: IntArray,  # [M]
    counts: IntArray,  # [T] primitives of each template
    capacity: IntArray,  # [T]
    conflicts: Conflicts,
) -> tuple[IntArray, IntArray]:
    """Matches primitives that leave with candidates that replace them: indices into loss [P] and into gain [P].

    A candidate whose template has room replaces the least useful primitive that is left, any other the least useful one
    of its own template. In both cases it must gain more than that one costs, and have no conflict.
    """
    near = conflicts.primitives if conflicts.spacing > 0 else None
    count = 0 if near is None else len(near)
    removed, added = np.empty(len(gain), np.int64), np.empty(len(gain), np.int64)
    arrays = {
        "cost": (loss, np.float32),
        "owner": (loss_template, np.int64),
        "gain": (gain, np.float32),
        "stamp": (gain_template, np.int64),
        "room": (capacity - counts, np.int64),
        "position": (conflicts.position, np.float32),
        "radius": (conflicts.radius, np.float32),
        "primitives": (near, np.float32),
        "victim_of": (conflicts.victims, np.int64),
        "memory": (np.empty(4 * len(gain) + 5 * count + 2 * len(loss) + len(capacity) + 16, np.int64), np.int64),
    }
    kept = {name: np.ascontiguousarray(own, kind) for name, (own, kind) in arrays.items() if own is not None}
    matching = Matching(
        **{name: array.ctypes.data for name, array in kept.items()},
        removed=removed.ctypes.data,
        added=added.ctypes.data,
        victims=len(loss),
        candidates=len(gain),
        templates=len(capacity),
        count=count,
        separation=conflicts.separation,
        spacing=conflicts.spacing,
    )
    pairs = function("diffbmp_match", POINTER(Matching), result=c_int64)(matching)
    return removed[:pairs], added[:pairs]


def divided(share: NDArray[np.float64], most: IntArray, count: int) -> IntArray:
    """Divides count into whole numbers by shares, none above its `most`: [T].

    It takes the largest remainders. `most` must sum to at least count, and be 0 where the share is.
    """
    result = np.zeros(len(most), np.int64)
    open_ = most > 0
    # Those above their `most` get that, and the others divide the rest.
    while open_.any():
        exact = share * open_ / share[open_].sum() * (count - result.sum())
        full = open_ & (exact >= most)
        if not full.any():
            whole = np.floor(exact).astype(np.int64)
            rest = count - result.sum() - whole.sum()
            whole[np.argsort(whole - exact, kind="stable")[:rest]] += 1
            return result + whole
        result[full] = most[full]
        open_ &= ~full
    return result


def _too_few(templates: Templates, possible: int, count: int, usage: str) -> str:
    counted = [item for item in templates.items if usage == "free" or item.limits.share > 0]
    most = sorted({item.limits.most or count for item in counted})
    stamps = f"{len(counted)} stamp{'s' if len(counted) > 1 else ''}"
    often, each = f"{most[0]} time{'s' if most[0] > 1 else ''}", " each" if len(counted) > 1 else ""
    if len(most) > 1:
        often, each = f"{most[0]} to {most[-1]} times", ""
    make = "make" if len(counted) > 1 else "makes"
    primitives = f"{possible:,} primitive{'s' if possible > 1 else ''}"
    return (
        f"{stamps} at most {often}{each} {make} {primitives}, but {count:,} are needed: "
        f"set the count to {possible:,} at most, or raise how often a stamp may be used"
    )
