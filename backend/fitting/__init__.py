"""Fits: layouts for a target and templates, by gradient descent.

The same settings, target and templates give the same layout, bit for bit, for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..control import Control
from ..job import Layout, Settings, UserError
from ..losses import Loss
from ..native.arrays import FloatArray
from ..stopwatch import part
from ..templates import Templates
from .clock import Clock
from .default.descent import DefaultDescent
from .descent import Descent
from .goal import Goal, goal_of
from .loop import FitResult, descend
from .reporter import Observer


def fit(
    target: ArrayLike,  # [3, H, W] display-encoded
    templates: Templates,
    settings: Settings,
    *,
    weight: ArrayLike | None = None,  # [H, W] from 0 = stays clear to 1 = counts fully
    importance: ArrayLike | None = None,  # [H, W] factor on the errors, greater than 0
    hidden: ArrayLike | None = None,  # [H, W] share that something else will cover, from 0 to 1
    start: Layout | None = None,
    loss: Loss | None = None,
    observer: Observer | None = None,
    control: Control | None = None,
) -> FitResult:
    """Finds the layout of settings.count primitives that together look like the target.

    Arrays may be of any real type, or PyTorch's tensors on the CPU; they must not change during the fit.
    weight says how much each pixel of the target counts; primitives are kept out where it is 0. importance
    weighs errors further, but not in judging the result. Hidden pixels do not count, and may be covered where weight is
    greater than 0; the recipe paper ignores `hidden`.
    With settings.transparent, target has straight colors, and weight is the wanted alpha of the result; the recipe
    paper fits the target over the settings' background instead.
    start is a layout to continue from (its first frame), scaled if its canvas has another size. Its primitives and
    their order are kept, and locked ones do not change at all.
    loss replaces the recipe's: a function of the display-encoded image, a tensor [3, H, W] on the CPU, which shows noise
    where the primitives leave the canvas open. It needs PyTorch.
    observer is called after every step; an exception in it ends the fit.

    Raises UserError for arrays of a wrong shape or with values that are not finite, a weight that is 0 everywhere, a
    start that does not match the templates, and where the engine cannot run.
    """
    picture = _checked_target(np.asarray(target))
    given = {"mask": weight, "importance": importance, "hidden part": hidden}
    planes = {
        name: None if plane is None else _checked_plane(name, np.asarray(plane), picture)
        for name, plane in given.items()
    }
    share, factor = planes["hidden part"], planes["importance"]
    if share is not None and (share > 1).any():
        raise UserError("The hidden part has values above 1, but it is a share of each pixel: scale it down")
    if factor is not None and (factor == 0).any():
        raise UserError("The importance is 0 in places: leave those out by the mask")
    goal = goal_of(picture, planes, settings, loss)
    return fit_goal(goal, templates, settings, start=start, observer=observer, control=control)


def fit_goal(
    goal: Goal,
    templates: Templates,
    settings: Settings,
    *,
    start: Layout | None = None,
    observer: Observer | None = None,
    control: Control | None = None,
) -> FitResult:
    """Finds the layout for a goal, which holds the checked arrays of `fit`."""
    clock = Clock(settings)
    with part("initialize"):
        descent = _descent_of(settings.recipe)(goal, templates, settings, start)
    return descend(descent, clock, settings, observer, control or Control())


def _descent_of(recipe: str) -> Callable[[Goal, Templates, Settings, Layout | None], Descent]:
    """Returns the descent of a recipe, one of settings.RECIPES."""
    if recipe == "paper":
        from .paper.descent import PaperDescent  # needs PyTorch

        return PaperDescent
    return DefaultDescent


def _checked_target(target: NDArray[Any]) -> FloatArray:
    if target.ndim != 3 or target.shape[0] != 3 or target.size == 0:
        raise UserError(f"The target has the shape {target.shape}, but (3, height, width) is needed")
    if not np.isfinite(target).all():
        raise UserError("The target has values that are not finite numbers")
    return np.ascontiguousarray(target, np.float32)


def _checked_plane(name: str, plane: NDArray[Any], target: FloatArray) -> FloatArray:
    if plane.shape != target.shape[1:]:
        raise UserError(f"The {name} is {_size(plane)} px, but the target is {_size(target)}: make them equal")
    if not (np.isfinite(plane) & (plane >= 0)).all():
        raise UserError(f"The {name} has values that are less than 0 or not finite numbers")
    return np.ascontiguousarray(plane, np.float32)


def _size(image: NDArray[Any]) -> str:
    return f"{image.shape[-1]} x {image.shape[-2]}"
