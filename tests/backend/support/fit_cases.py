"""Small fits with every kind of setting, and a digest of their results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from backend.fitting import fit
from backend.fitting.loop import FitResult
from backend.fitting.reporter import Observer
from backend.job import Limits, Settings
from backend.job.layout import Layout
from backend.templates import Templates
from tests.backend.support.pictures import block, disc, picture

SETTINGS = Settings(count=60, iterations=16, seed=1, threads=1, preview_seconds=0)
ARRAYS = ("x", "y", "scale", "aspect", "rotation", "opacity", "color", "template", "level", "mirror", "locked")


@dataclass(frozen=True)
class FitCase:
    """The input of a fit."""

    settings: dict[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    mode: str = "tint"
    size: tuple[int, int] = (48, 64)
    masked: bool = False
    important: bool = False
    continued: bool = False
    loss: Callable[[Tensor], Tensor] | None = None


def darkness(image: Tensor) -> Tensor:
    return image.square().mean()


SHORT = {"iterations": 6, "count": 40}
FREE = Limits(stretch=3.0, mirror=True)

CASES: dict[str, FitCase] = {
    "plain": FitCase(),
    "linear": FitCase({"space": "linear"}, FREE),
    "textured": FitCase(limits=FREE, mode="multiply"),
    "textured, linear": FitCase({"space": "linear"}, mode="mix"),
    "limits": FitCase(
        limits=Limits(stretch=2.0, size_range=(0.1, 0.25), rotation_range=(-0.2, 0.1), opacity_range=(0.5, 0.8))
    ),
    "palette": FitCase({"palette": [(0.0, 0.0, 0.0), (0.8, 0.2, 0.1), (0.2, 0.3, 0.6)]}),
    "palette of the target, linear": FitCase({"palette_size": 5, "space": "linear"}),
    "shares, spacing, order": FitCase({"usage": "shares", "spacing": 0.05, "order": "small_front"}, FREE),
    "order": FitCase({"order": "large_front"}),
    "mask": FitCase(masked=True),
    "mask, linear": FitCase({"space": "linear"}, FREE, masked=True),
    "importance": FitCase(important=True),
    "l1": FitCase({"losses": {"l1": 1.0}}),
    "l1, mask": FitCase({"losses": {"l1": 1.0}, "space": "linear"}, masked=True),
    "continued": FitCase({"order": "large_front"}, FREE, continued=True),
    "continued, locked, spacing": FitCase({"locked": ["rotation"], "spacing": 0.04}, continued=True),
    "locked": FitCase({"locked": ["position", "color"]}),
    "small picture first": FitCase({**SHORT, "iterations": 10}, FREE, size=(256, 1024)),
    "small picture first, linear": FitCase({**SHORT, "space": "linear", "palette_size": 3}, size=(256, 1024)),
    "ssim": FitCase({**SHORT, "losses": {"mse": 1.0, "ssim": 0.1}}),
    "image losses": FitCase(
        {**SHORT, "losses": {"huber": 1.0, "gray_l1": 0.1, "ms_ssim": 0.1, "edge": 0.1, "laplacian": 0.1}}, masked=True
    ),
    "alpha": FitCase({**SHORT, "losses": {"mse": 1.0, "alpha": 0.1}, "space": "linear"}, masked=True),
    "regularizers": FitCase(
        {
            **SHORT,
            "losses": dict.fromkeys(
                ("overlap", "size", "sparsity", "decisive", "smoothness", "alignment", "boundary"), 0.01
            ),
        },
        FREE,
    ),
    "a loss of one's own": FitCase(SHORT, loss=darkness),
    "paper": FitCase({"recipe": "paper"}),
    "paper, linear": FitCase({"recipe": "paper", "space": "linear"}, mode="mix"),
    "paper, mask": FitCase({"recipe": "paper", "iterations": 260, "count": 20}, size=(24, 32), masked=True),
    "paper, mask, linear": FitCase({"recipe": "paper", "space": "linear"}, masked=True),
    "paper, continued": FitCase({"recipe": "paper"}, continued=True),
}


def stamps(case: FitCase) -> Templates:
    round_ = disc(color=(40, 90, 200), mode=case.mode, blend=0.4, limits=case.limits)
    return Templates([round_, block(8, 32, "bar", limits=case.limits)])


def start_of(case: FitCase) -> Layout:
    layout = fit(picture(*case.size), stamps(case), replace(SETTINGS, iterations=4, count=50)).layout
    layout.locked[:9] = True
    layout.mirror[20], layout.region[4] = True, 7
    return layout


def run_case(case: FitCase, observer: Observer | None = None, **changes: Any) -> FitResult:
    """changes: to the settings."""
    height, width = case.size
    across = np.linspace(0, 1, width, dtype=np.float32)[None].repeat(height, 0)
    return fit(
        picture(height, width),
        stamps(case),
        replace(SETTINGS, **{**case.settings, **changes}),
        weight=np.clip(across * np.float32(1.5) - np.float32(0.3), 0.0, 1.0) if case.masked else None,
        importance=np.float32(0.5) + across if case.important else None,
        start=start_of(case) if case.continued else None,
        loss=case.loss,
        observer=observer,
    )


def digest(result: FitResult) -> str:
    """The digest of all values of the layout, and of its loss and PSNR."""
    content = hashlib.sha256(repr((result.loss, result.psnr, result.steps)).encode())
    for name in ARRAYS:
        content.update(np.ascontiguousarray(getattr(result.layout, name)).tobytes())
    return content.hexdigest()[:16]
