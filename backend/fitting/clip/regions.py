"""Clips of several regions: fitted one after the other, laid over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...control import Control
from ...job import Array, Clip, Layout, Settings
from ...native.arrays import ByteArray
from ...templates import Templates
from ..goal import Goal, LazyGoals
from ..regions import Part, Region, counts_of, merged, parts_of, placed, settings_of
from . import ClipResult, ClipSnapshot, Journal, Observer, fit_clip


@dataclass(frozen=True)
class MovingRegion:
    """A part of the canvas that may differ in each frame; see fitting.regions.Region."""

    name: str
    masks: Sequence[ByteArray]  # [H, W] uint8 of each frame
    stamps: tuple[int, ...] = ()
    share: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def at(self, frame: int) -> Region:
        mask = self.masks[frame].astype(np.float32) / np.float32(255.0)
        return Region(self.name, mask, self.stamps, self.share, self.settings)


def fit_clip_regions(
    goals: Sequence[Goal],  # of all regions together; see fit_clip
    regions: Sequence[MovingRegion],  # the front one first
    templates: Templates,
    settings: Settings,
    clip: Clip,
    *,
    frames: Sequence[int],
    fps: float,
    observer: Observer | None = None,
    control: Control | None = None,
    journal: Journal | None = None,
) -> ClipResult:
    """Fits settings.count primitives, divided among the regions, each to its region's part of the target.

    The first frame, in which every region must show something, decides how they are divided. Raises UserError as
    fit_clip and fit_regions do.
    """
    control = control or Control()
    first = _parts(goals[0], regions, 0, settings)
    counts = counts_of([region.at(0) for region in regions], [part.seen for part in first], settings.count)
    done: list[ClipResult] = []
    for number, (region, count) in enumerate(zip(regions, counts, strict=True)):
        stamps = region.stamps or tuple(range(len(templates)))
        chosen = Templates([templates.items[index] for index in stamps])
        own = settings_of(region.at(0), settings, count)
        result = fit_clip(
            _goals_of(goals, regions, number, settings),
            chosen,
            own,
            clip,
            frames=frames,
            fps=fps,
            observer=_watch(observer, number, len(regions)),
            control=control,
            journal=None if journal is None else _Chapter(journal, number),
        )
        done.append(replace(result, layout=placed(result.layout, stamps, number, templates)))
        if control.cancelled:
            break
    length = min(len(result.layout.frames) for result in done)
    shots = sorted({shot for result in done for shot in result.shots if shot < length})
    layouts = [result.layout.only(range(length)) for result in done]
    return ClipResult(_merged(layouts), shots, control.cancelled, sum(result.seconds for result in done))


def _goals_of(
    goals: Sequence[Goal], regions: Sequence[MovingRegion], number: int, settings: Settings
) -> Sequence[Goal]:
    """Returns the goals of one region, by its number."""

    def make(frame: int) -> Goal:
        goal = goals[frame]
        part = _parts(goal, regions, frame, settings)[number]
        return replace(goal, weight=part.weight, hidden=part.hidden)

    return LazyGoals(len(goals), make)


def _parts(goal: Goal, regions: Sequence[MovingRegion], frame: int, settings: Settings) -> list[Part]:
    whole = np.ones_like(goal.target[0]) if goal.weight is None else goal.weight
    # After the first frame, a region may be hidden for a while.
    return parts_of([region.at(frame) for region in regions], whole, settings.transparent, strict=frame == 0)


@dataclass(frozen=True)
class _Chapter:
    """A region's part of a journal."""

    journal: Journal
    number: int

    def load(self, name: str) -> dict[str, Array] | None:
        return self.journal.load(f"{name}_region_{self.number}")

    def save(self, name: str, arrays: dict[str, Array]) -> None:
        self.journal.save(f"{name}_region_{self.number}", arrays)


def _watch(observer: Observer | None, number: int, regions: int) -> Observer | None:
    """Returns an observer that reports the clip of one region as a part of the whole."""
    if observer is None:
        return None

    def watch(snapshot: ClipSnapshot) -> None:
        step, total = number * snapshot.total + snapshot.step, regions * snapshot.total
        left = snapshot.seconds_left * (regions - number)
        observer(replace(snapshot, step=step, total=total, seconds_left=left))

    return watch


def _merged(layouts: list[Layout]) -> Layout:
    """Lays layouts over each other, the first in front."""
    depths, behind = [], 0
    for layout in layouts:
        assert layout.depth is not None
        depths.append(layout.depth + behind)
        behind += int(layout.depth.max(initial=0)) + 1
    return replace(merged(layouts), depth=np.concatenate(depths, 1))
