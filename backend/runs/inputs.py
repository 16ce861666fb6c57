"""The pictures of a job: target, masks, importance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..job import IMPORTANCE, Job, Settings, UserError
from ..native.arrays import FloatArray
from ..pictures.color import composited
from ..pictures.images import load_gray, load_mask, load_target

if TYPE_CHECKING:
    from ..fitting.regions import Region


def load_regions(job: Job, target: FloatArray) -> list[Region]:
    """Returns the job's regions with their masks at the size of the target [3, H, W]."""
    if not job.regions:
        return []
    from ..fitting.regions import Region  # few jobs have any

    size = target.shape[1:]
    return [Region(r.name, load_mask(Path(r.mask), *size), tuple(r.stamps), r.share, r.settings) for r in job.regions]


def load_pictures(job: Job) -> tuple[FloatArray, FloatArray | None]:
    """Returns the target and its weight: see shown_target. Raises UserError where the weight is 0 everywhere."""
    color, alpha = load_target(Path(job.target), job.settings.size)
    mask = load_mask(Path(job.mask), *alpha.shape) if job.mask else None
    target, weight = shown_target(color, alpha, mask, job.settings)
    if weight is not None and not weight.any():
        where = "wherever the mask lets it count" if job.mask else "all over"
        raise UserError(f"{job.target} is transparent {where}: nothing is left to be shown")
    return target, weight


def shown_target(
    color: FloatArray,  # [3, H, W] straight
    alpha: FloatArray,  # [H, W]
    mask: FloatArray | None,  # [H, W]
    settings: Settings,
) -> tuple[FloatArray, FloatArray | None]:
    """Returns the target over the background [3, H, W] and its weight [H, W]: mask times alpha, None = 1 everywhere.

    For a transparent canvas, these are the target's straight colors and the wanted alpha of the result.
    """
    background = np.array(settings.background, np.float32)
    weight = alpha if (alpha < 1.0).any() else None
    opaque = weight is None or settings.transparent
    target = color if opaque else composited(color, alpha, background, "display")
    if mask is not None:
        weight = mask if weight is None else mask * weight
    return target, weight


def over_background(target: FloatArray, weight: FloatArray | None, settings: Settings) -> FloatArray:
    """Returns the target [3, H, W] that results are measured against: for a transparent canvas, over the background."""
    if weight is None or not settings.transparent:
        return target
    return composited(target, weight, np.array(settings.background, np.float32), settings.space)


def load_importance(job: Job, target: FloatArray, weight: FloatArray | None) -> FloatArray | None:
    """Returns the weights of errors [H, W], with a mean of 1 where the target counts, or None = all alike."""
    return weighed(load_gray(Path(job.importance), *target.shape[1:]), weight) if job.importance else None


def weighed(gray: FloatArray, weight: FloatArray | None) -> FloatArray:
    """Returns the weights of errors [H, W] for an importance picture's brightness [H, W]: see load_importance."""
    importance = np.float32(1.0) + np.float32(IMPORTANCE - 1.0) * gray
    counts = np.ones_like(importance) if weight is None or not weight.any() else weight
    mean = (importance.astype(np.float64) * counts).sum() / counts.sum(dtype=np.float64)
    return importance / np.float32(mean)
