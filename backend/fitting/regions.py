"""Fits of several regions of a canvas, each with its own stamps: one after the other, laid over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..control import Control
from ..job import FIXED, MOVING, Layout, Settings, UserError
from ..layouts.rendering import render_layout
from ..losses import check_losses
from ..metrics.picture import psnr
from ..native.arrays import FloatArray
from ..pictures.color import composited
from ..templates import Templates
from . import fit
from .constraints.spacing import check_spacing
from .constraints.usage import capacities, divided
from .loop import FitResult
from .primitives import template_specs
from .reporter import Observer, Snapshot

CONTAINMENT = 2.0
"""Weight of paint outside a region, relative to paint outside a mask: it covers another region.

Of 200 soft discs each in a disc, a star and a letter, 0.5 to 1.3 % of the alpha lies outside with 1, 0.4 to 1.0 % with
2, 0.3 to 0.8 % with 4; the inside loses 1.7 and 3.2 dB of PSNR. Applying it only late in the fit is no better.
"""

OPAQUE = 0.05
"""Visible share up to which an area counts as fully covered, so that anything may lie behind."""


@dataclass(frozen=True, eq=False)
class Region:
    """A part of the canvas with its own stamps and settings."""

    name: str
    mask: FloatArray  # [H, W] from 0 to 1: its pixels
    stamps: tuple[int, ...] = ()  # indices into the templates; none = all of them
    share: float = 0.0  # of the primitives, relative to those of other regions; 0 = by its area
    settings: Mapping[str, Any] = field(default_factory=dict)  # overrides of settings.REGION_SETTINGS


def fit_regions(
    target: FloatArray,  # [3, H, W] float32, display-encoded
    templates: Templates,
    settings: Settings,
    regions: Sequence[Region],  # the front one first
    *,
    weight: FloatArray | None = None,  # [H, W] as for fit: holds for all regions
    importance: FloatArray | None = None,  # [H, W] as for fit
    observer: Observer | None = None,
    control: Control | None = None,
) -> FitResult:
    """Fits settings.count primitives, divided among the regions, each to its region's part of the target.

    The layout's `region` says which one a primitive belongs to. Limits on the use of stamps apply to each region, and a
    region's own settings replace the common ones. Where a region lies beneath others, it places no primitives (except
    with the recipe paper). The result is judged for all regions together. Cancelling the control leaves out the regions
    that have not begun.

    Raises UserError as fit does, and where a region shows nothing.
    """
    control = control or Control()
    weight = None if weight is None else np.minimum(weight, np.float32(1.0))
    whole = np.ones_like(target[0]) if weight is None else weight
    parts = parts_of(regions, whole, settings.transparent)
    counts = counts_of(regions, [part.seen for part in parts], settings.count)
    check_regions(regions, templates, settings, counts, target.shape[1:])
    union = shown(regions, weight)
    # Each region is recorded for its part of the time.
    settings = replace(settings, recording=-(-settings.recording // len(regions)))
    done: list[Layout] = []
    loss, steps, seconds = 0.0, 0, 0.0
    for number, (region, part, count) in enumerate(zip(regions, parts, counts, strict=True)):
        stamps = region.stamps or tuple(range(len(templates)))
        own = settings_of(region, settings, count)
        watch = None if observer is None else _Watch(observer, templates, stamps, number, len(regions), own, done)
        chosen = Templates([templates.items[index] for index in stamps])
        options: dict[str, Any] = {"importance": importance, "observer": watch, "control": control}
        result = fit(target, chosen, own, weight=part.weight, hidden=part.hidden, **options)
        done = [*done, placed(result.layout, stamps, number, templates)]
        loss += result.loss * count / settings.count
        steps, seconds = steps + result.steps, seconds + result.seconds
        if control.cancelled:
            break
    layout = merged(done)
    render = render_layout(layout, templates, engine=settings.engine, threads=settings.threads)[:3]
    if settings.transparent:
        target = composited(target, union, np.array(settings.background, np.float32), settings.space)
    return FitResult(layout, loss, psnr(render, target, union), steps, control.cancelled, seconds)


def shown(regions: Sequence[Region], weight: FloatArray | None) -> FloatArray:
    """Returns the weight of pixels in all regions together: [H, W]. weight [H, W]: None = 1 everywhere."""
    union = _covered(regions)[-1]
    return union if weight is None else union * weight


def _covered(regions: Sequence[Region]) -> list[FloatArray]:
    """Returns what each region and those in front cover together, [H, W] each; touching soft masks leave no seam."""
    covered, result = np.zeros_like(regions[0].mask), []
    for region in regions:
        covered = covered + region.mask
        result.append(np.minimum(covered, np.float32(1.0)))
    return result


def check_regions(
    regions: Sequence[Region], templates: Templates, settings: Settings, counts: Sequence[int], size: Sequence[int]
) -> None:
    """Raises UserError with a region's name if its settings cannot be met. size: height and width of the canvas, px."""
    for region, count in zip(regions, counts, strict=True):
        own = settings_of(region, settings, count)
        stamps = region.stamps or range(len(templates))
        try:
            check_losses(own.losses)
            check_spacing(own.spacing * max(size), count, *size)
            capacities(Templates([templates.items[index] for index in stamps]), count, own.usage)
        except UserError as error:
            message = f"The settings of the region {region.name} cannot be met. {error.message}"
            raise UserError(message, error.action) from error


def placed(layout: Layout, stamps: tuple[int, ...], number: int, templates: Templates) -> Layout:
    """Returns a region's layout with its number, and with the stamps as all regions count them."""
    template = np.array(stamps, np.int32)[layout.template]
    region = np.full_like(layout.region, number)
    return replace(layout, template=template, region=region, templates=template_specs(templates))


def merged(layouts: list[Layout]) -> Layout:
    """Returns one layout of all primitives, those of the first layout first; the first one decides the rest."""
    joined: dict[str, Any] = {}
    for axis, names in ((1, MOVING), (0, FIXED)):
        joined |= {name: np.concatenate([getattr(layout, name) for layout in layouts], axis) for name in names}
    return replace(layouts[0], depth=None, **joined)


@dataclass(frozen=True, eq=False)
class Part:
    """The pixels of a region, and the share of each that lies beneath the regions in front."""

    weight: FloatArray  # [H, W] of its pixels
    hidden: FloatArray  # [H, W] share that is covered

    @property
    def seen(self) -> FloatArray:
        return self.weight * (np.float32(1.0) - self.hidden)


def parts_of(regions: Sequence[Region], whole: FloatArray, transparent: bool, *, strict: bool = True) -> list[Part]:
    """Returns the parts of regions, the front one first. whole: the canvas's weight or alpha, [H, W].

    Raises UserError where a region shows nothing, if `strict`.
    """
    before = np.zeros_like(whole)  # covered by the regions in front
    parts = []
    for region, covered in zip(regions, _covered_checked(regions, whole), strict=True):
        weight, hidden = region.mask * whole, before
        if transparent:
            # The front is already as transparent as the target, so nothing more may lie behind it.
            hidden = before * whole
            rest = np.float32(1.0) - hidden
            needed = (covered - before) * whole / np.maximum(rest, np.float32(OPAQUE))
            weight = np.where(rest > OPAQUE, needed, weight)
        part = Part(weight, hidden)
        if strict and float(weight.sum(dtype=np.float64)) <= 0:
            raise UserError(f"The region {region.name} shows nothing: paint white what belongs to it")
        if strict and float(part.seen.sum(dtype=np.float64)) <= 0:
            raise UserError(f"The region {region.name} lies completely beneath others: move it further to the front")
        parts.append(part)
        before = covered
    return parts


def _covered_checked(regions: Sequence[Region], whole: FloatArray) -> list[FloatArray]:
    for region in regions:
        if region.mask.shape != whole.shape:
            raise UserError(f"The mask of the region {region.name} does not have the target's size")
    return _covered(regions)


def settings_of(region: Region, settings: Settings, count: int) -> Settings:
    """Returns the settings for the fit of one region with `count` primitives."""
    chosen = dict(region.settings)
    # The region's own kind of palette replaces the other kind.
    if chosen.get("palette"):
        chosen.setdefault("palette_size", 0)
    elif chosen.get("palette_size"):
        chosen.setdefault("palette", [])
    own = replace(settings, count=count, time_limit=settings.time_limit * count / settings.count, **chosen)
    return replace(own, containment=min(100.0, CONTAINMENT * own.containment))


def counts_of(regions: Sequence[Region], planes: list[FloatArray], count: int) -> list[int]:
    """Returns the number of primitives of each region, at least one: by shares, or else by areas."""
    if count < len(regions):
        raise UserError(f"There are {len(regions)} regions, but only {count} primitives: ask for more")
    areas = np.array([float(plane.sum(dtype=np.float64)) for plane in planes])
    shares = np.array([region.share for region in regions], np.float64)
    given = shares > 0
    if given.any():
        # Regions without a share get the mean density of those that have one.
        areas = areas * shares[given].sum() / areas[given].sum()
        areas[given] = shares[given]
    rest = count - len(regions)
    return (1 + divided(areas, np.full(len(regions), rest), rest)).tolist()


@dataclass(eq=False)
class _Watch:
    """Reports the fit of a region to the observer of the whole fit."""

    observer: Observer
    templates: Templates  # of all regions
    stamps: tuple[int, ...]
    region: int
    regions: int
    settings: Settings
    done: list[Layout]  # of the regions in front

    def __call__(self, snapshot: Snapshot) -> None:
        total = self.regions * snapshot.total
        step = min(self.region * snapshot.total + snapshot.step, total - (self.region + 1 < self.regions))
        left = self.regions - self.region - 1
        report = replace(snapshot, step=step, total=total, seconds_left=snapshot.seconds_left * (left + 1))
        if snapshot.layout is not None:
            report.layout = self._merged(snapshot.layout)
            report.image = render_layout(
                report.layout, self.templates, engine=self.settings.engine, threads=self.settings.threads
            )[:3]
        if snapshot.current is not None:
            report.current = self._merged(snapshot.current)
        self.observer(report)

    def _merged(self, layout: Layout) -> Layout:
        return merged([*self.done, placed(layout, self.stamps, self.region, self.templates)])
