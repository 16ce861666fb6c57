"""The loop of a fit: steps of a descent, the best of them, and what the observer is told."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..control import Control
from ..job import Layout, Settings
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


class Clock:
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


def descend(
    descent: Descent, clock: Clock, settings: Settings, observer: Observer | None, control: Control
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

    def __init__(self, descent: Descent, clock: Clock, settings: Settings, observer: Observer | None) -> None:
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
