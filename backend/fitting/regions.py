"""Fits of several regions of a canvas, each with stamps of its own: one fit after the other, laid over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..control import Control
from ..job import FIXED, MOVING, Layout, Settings, UserError
from ..losses import check_losses
from ..metrics.picture import psnr
from ..pictures.color import composited
from ..rendering import render_layout
from ..templates import Templates
from . import fit
from .constraints.spacing import check_spacing
from .constraints.usage import capacities, divided
from .loop import FitResult
from .primitives import template_specs
from .reporter import Observer, Snapshot

CONTAINMENT = 2.0
"""Paint outside of a region weighs so many times as much as that outside of a mask: it covers another region.

Of 200 soft discs each in a disc, a star and a letter, 0.5 to 1.3 % of the alpha lies outside with 1, 0.4 to 1.0 % with
2, 0.3 to 0.8 % with 4; what is inside loses 1.7 and 3.2 dB of PSNR. To begin with it only late in the fit is no better.
"""


OPAQUE = 0.05
"""Share that may still be seen through what lies in front and yet count as none: what is behind it may lie freely."""


@dataclass(frozen=True)
class Region:
    """A part of the canvas."""

    name: str
    mask: Tensor  # [H, W] from 0 to 1: its pixels
    stamps: tuple[int, ...] = ()  # indices into the templates; none = all of them
    share: float = 0.0  # of the primitives, relative to those of other regions; 0 = by its area
    settings: Mapping[str, Any] = field(default_factory=dict)  # its own values of settings.REGION_SETTINGS


def fit_regions(
    target: Tensor,  # [3, H, W] float32, display-encoded
    templates: Templates,
    settings: Settings,
    regions: Sequence[Region],  # the front one first
    *,
    weight: Tensor | None = None,  # [H, W] as for fit: holds for all regions
    importance: Tensor | None = None,  # [H, W] as for fit
    observer: Observer | None = None,
    control: Control | None = None,
) -> FitResult:
    """Fits settings.count primitives, shared out to the regions, each to what of the target its region shows.

    The layout's `region` says which one a primitive belongs to. A limit on how often a stamp is used holds in each
    region. What is judged are all regions together. Where a region lies beneath others, it spends no primitives (but by
    the recipe paper); its own settings hold in place of those of all. A control that is cancelled leaves out those that
    have not begun.

    Raises UserError as fit does, and where a region shows nothing.
    """
    control = control or Control()
    weight = None if weight is None else weight.clamp_max(1.0)
    whole = torch.ones_like(target[0]) if weight is None else weight
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
        target = composited(target, union, torch.tensor(settings.background), settings.space)
    return FitResult(layout, loss, psnr(render, target, union), steps, control.cancelled, seconds)


def shown(regions: Sequence[Region], weight: Tensor | None) -> Tensor:
    """The weight of pixels to all regions together: [H, W]. weight [H, W]: None = all alike."""
    union = _covered(regions)[-1]
    return union if weight is None else union * weight


def _covered(regions: Sequence[Region]) -> list[Tensor]:
    """The planes [H, W] that each region and those in front cover together; soft masks that touch leave no seam."""
    masks = torch.stack([region.mask for region in regions])
    return list(masks.cumsum(0).clamp_max(1.0))


def check_regions(
    regions: Sequence[Region], templates: Templates, settings: Settings, counts: Sequence[int], size: Sequence[int]
) -> None:
    """Raises UserError, with its name, for a region whose settings cannot be met. size: of the canvas, px."""
    for region, count in zip(regions, counts, strict=True):
        own = settings_of(region, settings, count)
        stamps = region.stamps or range(len(templates))
        try:
            check_losses(own.losses)
            check_spacing(own.spacing * max(size), count, *size)
            capacities(Templates([templates.items[index] for index in stamps]), count, own.usage)
        except UserError as error:
            message = f"The region {region.name} asks for what cannot be. {error.message}"
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


@dataclass(frozen=True)
class Part:
    """The pixels that a region is to show, and the share of them that lies beneath those in front."""

    weight: Tensor  # [H, W] its pixels
    hidden: Tensor  # [H, W] share that is covered

    @property
    def seen(self) -> Tensor:
        return self.weight * (1.0 - self.hidden)


def parts_of(regions: Sequence[Region], whole: Tensor, transparent: bool, *, strict: bool = True) -> list[Part]:
    """The parts of regions, the front one first; `whole` [H, W] is the canvas's weight, or its alpha if transparent.

    Raises UserError where a region shows nothing, if `strict`.
    """
    before = torch.zeros_like(whole)  # what those in front cover
    parts = []
    for region, covered in zip(regions, _covered_checked(regions, whole), strict=True):
        weight, hidden = region.mask * whole, before
        if transparent:
            # What is in front is as transparent as the target already: behind it, more would be too much.
            hidden = before * whole
            rest = 1.0 - hidden
            weight = torch.where(rest > OPAQUE, (covered - before) * whole / rest.clamp_min(OPAQUE), weight)
        part = Part(weight, hidden)
        if strict and float(weight.double().sum()) <= 0:
            raise UserError(f"The region {region.name} shows nothing: paint white what belongs to it")
        if strict and float(part.seen.double().sum()) <= 0:
            raise UserError(f"The region {region.name} lies beneath others all over: move it further to the front")
        parts.append(part)
        before = covered
    return parts


def _covered_checked(regions: Sequence[Region], whole: Tensor) -> list[Tensor]:
    for region in regions:
        if region.mask.shape != whole.shape:
            raise UserError(f"The mask of the region {region.name} has not the target's size")
    return _covered(regions)


def settings_of(region: Region, settings: Settings, count: int) -> Settings:
    """The settings of a region's own fit, of `count` of the primitives."""
    chosen = dict(region.settings)
    # Of the two ways to a palette, the region's own holds.
    if chosen.get("palette"):
        chosen.setdefault("palette_size", 0)
    elif chosen.get("palette_size"):
        chosen.setdefault("palette", [])
    own = replace(settings, count=count, time_limit=settings.time_limit * count / settings.count, **chosen)
    return replace(own, containment=min(100.0, CONTAINMENT * own.containment))


def counts_of(regions: Sequence[Region], planes: list[Tensor], count: int) -> list[int]:
    """The number of primitives of each region: by shares, or where none is given by areas; one at least."""
    if count < len(regions):
        raise UserError(f"There are {len(regions)} regions, but only {count} primitives: ask for more")
    areas = torch.tensor([float(plane.double().sum()) for plane in planes], dtype=torch.float64)
    shares = torch.tensor([region.share for region in regions], dtype=torch.float64)
    given = shares > 0
    if bool(given.any()):
        # Those without a share get as many to a pixel as those that have one on the whole.
        areas = areas * shares[given].sum() / areas[given].sum()
        areas[given] = shares[given]
    rest = count - len(regions)
    return (1 + divided(areas.numpy(), np.full(len(regions), rest), rest)).tolist()


@dataclass
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
