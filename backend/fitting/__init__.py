"""The fit: from a target and templates to a layout, by gradient descent.

The same settings, target and templates give the same layout, bit for bit, for any number of threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..color import composited
from ..control import Control
from ..job import Layout, Settings, UserError
from ..losses import Loss
from ..templates import Templates
from ..threads import torch_threads
from .descent import DefaultDescent
from .objective import Goal
from .paper.descent import PaperDescent
from .primitives import Primitives

READ_EVERY = 8
"""Steps after which a GPU's losses are looked at: to do so is to wait for it. Relocation does so twice as often."""


@dataclass
class Snapshot:
    """The state after `step` of `total` steps.

    image and layout: the best so far, only when a preview is due. current: as it is, only when settings.recording asks
    for it.
    """

    step: int
    total: int
    loss: float  # over the noise canvas; where the engine is on a GPU, of a step up to READ_EVERY ago
    psnr: float  # dB on the real background, of the latest preview
    seconds_left: float
    image: Tensor | None = None  # [3, H, W] display-encoded
    layout: Layout | None = None
    current: Layout | None = None


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
    importance: Tensor | None = None,  # [H, W] factor on the errors, greater than 0
    hidden: Tensor | None = None,  # [H, W] from 0 to 1: share that something else will cover
    start: Layout | None = None,
    loss: Loss | None = None,
    observer: Observer | None = None,
    control: Control | None = None,
) -> FitResult:
    """Finds the layout of settings.count primitives that together look like the target.

    weight says where the target counts; primitives are kept out of where it is 0. importance says how much an error
    matters there, relative to other places; the result is judged without it. What is hidden does not count, nor need it
    stay clear where weight is greater than 0. The recipe paper takes no notice of it.
    With settings.transparent, target has straight colours, and weight is the alpha that the result is to have, on any
    canvas; the recipe paper fits the target over the settings' background, and weight is only that.
    start is a layout to continue from (its first frame): its primitives and their order are kept, their number too, and
    locked ones do not change at all. If its canvas has another size, it is scaled.
    loss is a function of the display-encoded image [3, H, W], to be descended instead of the recipe's; it sees noise
    where the primitives leave the canvas open. The image is on the engine's device.
    observer is called after every step; an exception in it ends the fit.

    Raises UserError for tensors of a wrong shape or with values that are not finite, a weight that is 0 everywhere, a
    start that does not go with the templates, and where the engine cannot run.
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
    """The fit of what has been checked."""
    # Torch's own threads wait busily after each of its short operations and would keep the engine's from their cores.
    with torch.no_grad(), torch_threads(1):
        clock = _Clock(settings)
        descent = DESCENTS[settings.recipe](goal, templates, settings, start)
        return _descend(descent, clock, settings, observer, control or Control())


def goal_of(
    target: Tensor,  # [3, H, W]
    planes: Mapping[str, Tensor | None],  # [H, W] "mask", "importance", "hidden part"
    settings: Settings,
    loss: Loss | None = None,
) -> Goal:
    """Of what fit was given, once it is checked."""
    weight, hidden, straight = planes["mask"], planes["hidden part"], None
    if weight is None and hidden is not None:
        weight = torch.ones_like(hidden)
    if settings.transparent and weight is not None:
        weight, straight = weight.clamp_max(1.0), target
        target = composited(target, weight, torch.tensor(settings.background), settings.space)
    return Goal(
        target,
        weight,
        planes["importance"],
        settings.background,
        settings.losses,
        loss,
        settings.containment,
        hidden,
        settings.transparent,
        straight,
    )


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


class Descent(Protocol):
    """A recipe at work on the primitives of a fit."""

    def evaluate(self, step: int, progress: float) -> Tensor:
        """The loss ([] float64) after so many steps, and after this share of all, on the engine's device."""
        ...

    def accepts(self, loss: float) -> bool:
        """Whether a state of this loss can be the result. Raises UserError where the loss itself is to blame."""
        ...

    def advance(self, progress: float) -> None:
        """Makes the step that was evaluated."""
        ...

    @property
    def phase(self) -> int:
        """Of the latest loss; losses of one phase compare, and those of a later one are of a picture more finished."""
        ...

    @property
    def primitives(self) -> Primitives:
        """As they were evaluated, colours display-encoded; not changed by later steps."""
        ...

    def finished(self, primitives: Primitives) -> Primitives:
        """What is to be judged and kept of them: with the limits that they only come near to on the way. Takes time."""
        ...

    def judge(self, primitives: Primitives) -> tuple[Tensor, float]:
        """Their image [3, H, W] on the settings' background, display-encoded, and its PSNR in dB."""
        ...

    def layout(self, primitives: Primitives) -> Layout: ...


DESCENTS: dict[str, Callable[[Goal, Templates, Settings, Layout | None], Descent]] = {
    "default": DefaultDescent,
    "paper": PaperDescent,
}


@dataclass
class _State:
    primitives: Primitives
    loss: Tensor  # [] on the engine's device
    phase: int


class _Record:
    """The best state of a fit. Losses are read some at a time, since to read one is to wait for the engine."""

    def __init__(self, descent: Descent) -> None:
        self._descent = descent
        self._unread: list[_State] = []
        self._best: _State | None = None
        self._least = math.inf  # its loss
        self.loss = math.inf
        """The latest that was read."""

    def add(self, loss: Tensor) -> None:
        """The state that the descent has evaluated, and its loss."""
        self._unread.append(_State(self._descent.primitives, loss, self._descent.phase))
        # The first one tells early what goes wrong; on a CPU there is nothing to wait for.
        if self._best is None or loss.device.type == "cpu":
            self.read()

    def advance(self, step: int) -> None:
        """Reads all losses if it is time for it after this step has been made."""
        if (step + 1) % READ_EVERY == 0:
            self.read()

    def read(self) -> None:
        """Reads all losses."""
        if not self._unread:
            return
        for state, loss in zip(self._unread, torch.stack([s.loss for s in self._unread]).cpu().tolist(), strict=True):
            self.loss = loss
            if not self._descent.accepts(loss):
                continue
            if self._best is None or state.phase > self._best.phase or loss < self._least:
                self._best, self._least = state, loss
        self._latest = self._unread[-1]
        self._unread = []

    @property
    def best(self) -> tuple[Primitives, float]:
        """All losses read: the best primitives, and their loss. Where no loss was finite, the latest ones."""
        self.read()
        return (self._best or self._latest).primitives, self._least


class _Clock:
    """The time of a fit, without pauses, and how far it has come."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._begin = settings, time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._begin

    def exclude(self, seconds: float) -> None:
        """Does not count the seconds of a pause."""
        self._begin += seconds

    def progress(self, step: int) -> float:
        """The share of the steps that is done, or of the time where less of that is left."""
        done, limit = step / self._settings.iterations, self._settings.time_limit
        return max(done, self.seconds / limit) if limit > 0 else done


def _descend(
    descent: Descent, clock: _Clock, settings: Settings, observer: Observer | None, control: Control
) -> FitResult:
    """Steps until the iterations or the time are done or the control cancels; the observer is told of each step."""
    reporter = _Reporter(descent, clock, settings, observer)
    record = _Record(descent)
    step = 0
    while True:
        progress = clock.progress(step)
        record.add(descent.evaluate(step, progress))
        reporter.report(step, progress, record)
        clock.exclude(control.wait())
        if step == settings.iterations or progress >= 1.0 or control.cancelled:
            break
        descent.advance(progress)
        # Only now: where there was a relocation, the engine has just been waited for.
        record.advance(step)
        step += 1
    primitives, loss = record.best
    finished = descent.finished(primitives)
    _, psnr = descent.judge(finished)
    return FitResult(descent.layout(finished), loss, psnr, step, control.cancelled, clock.seconds)


class _Reporter:
    """Tells the observer of the steps, with a preview when one is due."""

    def __init__(self, descent: Descent, clock: _Clock, settings: Settings, observer: Observer | None) -> None:
        self._descent, self._clock, self._settings, self._observer = descent, clock, settings, observer
        self._next_preview = time.perf_counter()
        self._psnr = 0.0
        self._recorded = 0  # pictures of the recording that are done

    def report(self, step: int, progress: float, record: _Record) -> None:
        if self._observer is None:
            return
        left = self._clock.seconds * (1.0 / progress - 1.0) if 0.0 < progress < 1.0 else 0.0
        # Where time is short, it will be fewer steps than asked for.
        total = self._settings.iterations if progress <= 0.0 else max(step, round(step / progress))
        begin = time.perf_counter()
        preview_is_due = self._settings.preview_seconds > 0 and begin >= self._next_preview
        primitives = record.best[0] if preview_is_due else None
        snapshot = Snapshot(step, total, record.loss, self._psnr, left)
        if primitives is not None:
            finished = self._descent.finished(primitives)
            snapshot.image, self._psnr = self._descent.judge(finished)
            snapshot.layout, snapshot.psnr = self._descent.layout(finished), self._psnr
            end = time.perf_counter()
            # Those that take long come less often: at least half of the time is the fit's.
            self._next_preview = end + max(self._settings.preview_seconds, end - begin)
        if self._records(progress):
            snapshot.current = self._descent.layout(self._descent.finished(self._descent.primitives))
        self._observer(snapshot)

    def _records(self, progress: float) -> bool:
        """Whether the next picture of the recording is due; they lie densely at first, when most happens."""
        last = self._settings.recording - 1  # which is the result
        if self._recorded >= last or progress < (self._recorded / last) ** 2:
            return False
        self._recorded = int(last * math.sqrt(progress)) + 1
        return True
