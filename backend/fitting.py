"""The fit: from a target and templates to a layout, by gradient descent.

The same settings, target and templates give the same layout, bit for bit, for any number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .control import Control
from .engines import Placement, core_count, make_rasterizer
from .initialize import initialize
from .job import Layout, Settings, UserError
from .losses import Loss
from .objective import Objective
from .optimizer import Optimizer
from .primitives import Primitives
from .recipes import RECIPES
from .templates import Templates
from .threads import torch_threads


@dataclass
class Snapshot:
    """The state after `step` of `total` steps. image and layout: the best so far, only when a preview is due."""

    step: int
    total: int
    loss: float  # over the noise canvas
    psnr: float  # dB on the real background, of the latest preview
    seconds_left: float
    image: Tensor | None = None  # [3, H, W] display-encoded
    layout: Layout | None = None


@dataclass
class FitResult:
    layout: Layout  # its templates' files are left empty: they are the caller's to fill in
    loss: float  # over the noise canvas
    psnr: float  # dB on the settings' background
    steps: int  # done
    cancelled: bool
    seconds: float  # of the steps, without pauses


Observer = Callable[[Snapshot], None]


def fit(
    target: Tensor,  # [3, H, W] float32, display-encoded
    templates: Templates,
    settings: Settings,
    *,
    weight: Tensor | None = None,  # [H, W] from 0 = stays clear to 1 = counts fully
    start: Layout | None = None,
    loss: Loss | None = None,
    observer: Observer | None = None,
    control: Control | None = None,
) -> FitResult:
    """Finds the layout of settings.count primitives that together look like the target.

    weight says where the target counts; primitives are kept out of where it is 0.
    start is a layout to continue from (its first frame): its primitives and their order are kept, their number too, and
    locked ones do not change at all. If its canvas has another size, it is scaled.
    loss is a function of the display-encoded image [3, H, W], to be descended instead of the recipe's; it sees noise
    where the primitives leave the canvas open.
    observer is called after every step; an exception in it ends the fit.

    Raises UserError for tensors of a wrong shape or with values that are not finite, a weight that is 0 everywhere, a
    start that does not go with the templates, and where the engine cannot run.
    """
    if target.ndim != 3 or target.shape[0] != 3 or target.numel() == 0:
        raise UserError(f"The target has the shape {tuple(target.shape)}, but (3, height, width) is needed")
    if weight is not None:
        if weight.shape != target.shape[1:]:
            raise UserError(f"The mask is {_size(weight)} px, but the target is {_size(target)}: make them equal")
        weight = weight.float().contiguous()
    for name, tensor in (("target", target), ("mask", weight)):
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            raise UserError(f"The {name} has values that are not finite numbers")
    # Torch's own threads wait busily after each of its short operations and would keep the engine's from their cores.
    with torch.no_grad(), torch_threads(1):
        run = _Run(target.float().contiguous(), templates, settings, weight, start, loss)
        return run.descend(observer, control or Control())


def _size(image: Tensor) -> str:
    return f"{image.shape[-1]} x {image.shape[-2]}"


@dataclass
class _Checkpoint:
    """A state of the primitives and its loss."""

    params: Tensor  # [N, 9], colours as composited
    encoded: Tensor  # [N, 9], colours display-encoded
    loss: float
    sharp: bool  # measured with sharp stamps: only such losses compare


class _Run:
    """One fit: its state, and the loop over its steps."""

    def __init__(
        self,
        target: Tensor,
        templates: Templates,
        settings: Settings,
        weight: Tensor | None,
        start: Layout | None,
        loss: Loss | None,
    ) -> None:
        height, width = target.shape[1:]
        linear = settings.space == "linear"
        recipe = RECIPES[settings.recipe] if start is None else RECIPES[settings.recipe].continued()
        self._templates, self._settings, self._recipe = templates, settings, recipe
        self._height, self._width = height, width
        generator = torch.Generator().manual_seed(settings.seed)
        if start is None:
            primitives = initialize(target, templates, settings.count, recipe, generator, weight)
        else:
            primitives = Primitives.from_layout(start, templates, height, width)
        self._primitives = primitives
        self._optimizer = Optimizer(primitives.params, recipe, height, width, locked=primitives.locked, linear=linear)
        self._objective = Objective(
            make_rasterizer(settings.engine, templates, height, width, space=settings.space, threads=settings.threads),
            target,
            len(primitives.params),
            generator,
            weight=weight,
            background=settings.background,
            linear=linear,
            threads=settings.threads or core_count(),
            kind=recipe.loss,
            loss=loss,
        )

    def descend(self, observer: Observer | None, control: Control) -> FitResult:
        """Steps until the iterations are done or the control cancels; the observer is told of each step."""
        total, recipe, optimizer = self._settings.iterations, self._recipe, self._optimizer
        reporter = _Reporter(self, observer, total, self._settings.preview_seconds)
        best: _Checkpoint | None = None
        step = 0
        while True:
            bias = recipe.bias_at(step / total)
            loss, gradient = self._objective(optimizer.params, self._placement(optimizer.params, bias))
            # While the stamps are blurred, the latest is the best.
            if best is None or not best.sharp or loss < best.loss:
                best = _Checkpoint(optimizer.params, optimizer.encoded, loss, sharp=bias == recipe.bias)
            reporter.report(step, loss, best)
            reporter.exclude(control.wait())
            if step == total or control.cancelled:
                break
            # Here is the place of relocation: moving the least useful primitives to where the error is.
            optimizer.step(gradient, recipe.rate_at(step / total))
            step += 1
        _, psnr = self.judge(best)
        return FitResult(self.layout(best), best.loss, psnr, step, control.cancelled, reporter.seconds)

    def judge(self, state: _Checkpoint) -> tuple[Tensor, float]:
        """Its image [3, H, W] on the settings' background, display-encoded, and PSNR in dB."""
        return self._objective.judge(state.params, self._placement(state.params, self._recipe.bias))

    def layout(self, state: _Checkpoint) -> Layout:
        level = self._placement(state.params, self._recipe.bias).level
        primitives = replace(self._primitives, params=state.encoded)
        return primitives.to_layout(level, self._templates, self._settings, self._height, self._width)

    def _placement(self, params: Tensor, bias: float) -> Placement:
        template = self._primitives.template
        level = self._templates.choose_levels(template, params[:, 2], params[:, 3], bias)
        return Placement(template, level, self._primitives.mirror)


class _Reporter:
    """Tells the observer of the steps, with a preview when one is due, and keeps the time."""

    def __init__(self, run: _Run, observer: Observer | None, total: int, preview_seconds: float) -> None:
        self._run, self._observer, self._total = run, observer, total
        self._preview_seconds = preview_seconds
        self._begin = time.perf_counter()
        self._next_preview = self._begin
        self._psnr = 0.0

    @property
    def seconds(self) -> float:
        """Since the beginning, without pauses."""
        return time.perf_counter() - self._begin

    def exclude(self, seconds: float) -> None:
        """Does not count the seconds of a pause."""
        self._begin += seconds

    def report(self, step: int, loss: float, best: _Checkpoint) -> None:
        if self._observer is None:
            return
        snapshot = Snapshot(step, self._total, loss, self._psnr, self.seconds / max(step, 1) * (self._total - step))
        if self._preview_seconds > 0 and time.perf_counter() >= self._next_preview:
            snapshot.image, self._psnr = self._run.judge(best)
            snapshot.layout, snapshot.psnr = self._run.layout(best), self._psnr
            self._next_preview = time.perf_counter() + self._preview_seconds
        self._observer(snapshot)
