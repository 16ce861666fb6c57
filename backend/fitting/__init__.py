"""Fits: layouts for a target and templates, by gradient descent.

The same settings, target and templates give the same layout, bit for bit, for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..control import Control
from ..engines.threads import torch_threads
from ..job import Layout, Settings, UserError
from ..losses import Loss
from ..templates import Templates
from .clock import Clock
from .default.descent import DefaultDescent
from .descent import Descent
from .goal import Goal, goal_of
from .loop import FitResult, descend
from .paper.descent import PaperDescent
from .reporter import Observer


def fit(
    target: Tensor,  # [3, H, W] float32, display-encoded
    templates: Templates,
    settings: Settings,
    *,
    weight: Tensor | None = None,  # [H, W] from 0 = stays clear to 1 = counts fully
    importance: Tensor | None = None,  # [H, W] factor on the errors, greater than 0
    hidden: Tensor | None = None,  # [H, W] share that something else will cover, from 0 to 1
    start: Layout | None = None,
    loss: Loss | None = None,
    observer: Observer | None = None,
    control: Control | None = None,
) -> FitResult:
    """Finds the layout of settings.count primitives that together look like the target.

    weight says how much each pixel of the target counts; primitives are kept out where it is 0. importance
    weighs errors further, but not in judging the result. Hidden pixels do not count, and may be covered where weight is
    greater than 0; the recipe paper ignores `hidden`.
    With settings.transparent, target has straight colors, and weight is the wanted alpha of the result; the recipe
    paper fits the target over the settings' background instead.
    start is a layout to continue from (its first frame), scaled if its canvas has another size. Its primitives and
    their order are kept, and locked ones do not change at all.
    loss replaces the recipe's: a function of the display-encoded image [3, H, W] on the engine's device, which shows
    noise where the primitives leave the canvas open.
    observer is called after every step; an exception in it ends the fit.

    Raises UserError for tensors of a wrong shape or with values that are not finite, a weight that is 0 everywhere, a
    start that does not match the templates, and where the engine cannot run.
    """
    _check_target(target)
    planes = {"mask": weight, "importance": importance, "hidden part": hidden}
    for name, plane in planes.items():
        if plane is not None:
            planes[name] = _checked_plane(name, plane, target)
    if hidden is not None and bool((hidden > 1).any()):
        raise UserError("The hidden part has values above 1, but it is a share of each pixel: scale it down")
    if importance is not None and bool((importance == 0).any()):
        raise UserError("The importance is 0 in places: leave those out by the mask")
    goal = goal_of(target.cpu().float().contiguous(), planes, settings, loss)
    return fit_goal(goal, templates, settings, start=start, observer=observer, control=control)


def fit_goal(
    goal: Goal,  # on the CPU
    templates: Templates,
    settings: Settings,
    *,
    start: Layout | None = None,
    observer: Observer | None = None,
    control: Control | None = None,
) -> FitResult:
    """Finds the layout for a goal, which holds the checked tensors of `fit`."""
    # Torch's threads spin after each short operation, which would keep the engine's threads from the cores.
    with torch.no_grad(), torch_threads(1):
        clock = Clock(settings)
        descent = DESCENTS[settings.recipe](goal, templates, settings, start)
        return descend(descent, clock, settings, observer, control or Control())


def _check_target(target: Tensor) -> None:
    if target.ndim != 3 or target.shape[0] != 3 or target.numel() == 0:
        raise UserError(f"The target has the shape {tuple(target.shape)}, but (3, height, width) is needed")
    if not bool(torch.isfinite(target).all()):
        raise UserError("The target has values that are not finite numbers")


def _checked_plane(name: str, plane: Tensor, target: Tensor) -> Tensor:
    if plane.shape != target.shape[1:]:
        raise UserError(f"The {name} is {_size(plane)} px, but the target is {_size(target)}: make them equal")
    if not bool((torch.isfinite(plane) & (plane >= 0)).all()):
        raise UserError(f"The {name} has values that are less than 0 or not finite numbers")
    return plane.cpu().float().contiguous()


def _size(image: Tensor) -> str:
    return f"{image.shape[-1]} x {image.shape[-2]}"


DESCENTS: dict[str, Callable[[Goal, Templates, Settings, Layout | None], Descent]] = {
    "default": DefaultDescent,
    "paper": PaperDescent,
}
