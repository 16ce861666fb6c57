"""Reports on a fit while it runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..job import Layout, Settings
from ..native.arrays import FloatArray
from .clock import Clock
from .descent import Descent
from .record import Record


@dataclass(eq=False)
class Snapshot:
    """The state after `step` of `total` steps.

    image and layout: the best so far, only when a preview is due. current: the latest, only when one is recorded.
    """

    step: int
    total: int
    loss: float  # over the noise canvas; on a GPU, of a step up to READ_EVERY ago
    psnr: float  # dB on the real background, of the latest preview
    seconds_left: float
    image: FloatArray | None = None  # [3, H, W] display-encoded; smaller by a whole number from judge.LARGE px on
    layout: Layout | None = None
    current: Layout | None = None


Observer = Callable[[Snapshot], None]
"""Called after every step. It should use every preview: each has cost a picture."""

SHARE = 0.1
"""Greatest share of the time for previews, with all that the observer does with them."""


class Reporter:
    """Reports the steps to the observer, with a preview when one is due."""

    def __init__(self, descent: Descent, clock: Clock, settings: Settings, observer: Observer | None) -> None:
        self._descent, self._clock, self._settings, self._observer = descent, clock, settings, observer
        self._next_preview = time.perf_counter()
        self._psnr = 0.0
        self._recorded = 0  # pictures of the recording that are done

    def report(self, step: int, progress: float, record: Record) -> None:
        if self._observer is None:
            return
        left = self._clock.seconds * (1.0 / progress - 1.0) if 0.0 < progress < 1.0 else 0.0
        # A time limit leads to fewer steps.
        total = self._settings.iterations if progress <= 0.0 else max(step, round(step / progress))
        begin = time.perf_counter()
        preview_is_due = self._settings.preview_seconds > 0 and begin >= self._next_preview
        primitives = record.best[0] if preview_is_due else None
        snapshot = Snapshot(step, total, record.loss, self._psnr, left)
        if primitives is not None:
            finished = self._descent.finished(primitives)
            snapshot.image, self._psnr = self._descent.judge(finished)
            snapshot.layout, snapshot.psnr = self._descent.layout(finished), self._psnr
        if self._records(progress):
            snapshot.current = self._descent.layout(self._descent.finished(self._descent.state()))
        self._observer(snapshot)
        if primitives is not None:
            end = time.perf_counter()
            # Slow previews come less often. The first one, soon after the start, is not yet what they usually cost.
            pause = max(self._settings.preview_seconds, (end - begin) * (1.0 / SHARE - 1.0))
            self._next_preview = end + pause

    def _records(self, progress: float) -> bool:
        """Returns whether the next picture of the recording is due. They are dense at first, when most happens."""
        last = self._settings.recording - 1  # which is the result
        if self._recorded >= last or progress < (self._recorded / last) ** 2:
            return False
        self._recorded = int(last * math.sqrt(progress)) + 1
        return True
