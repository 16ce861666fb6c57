"""Layouts of clips like the backend's: smooth paths, shots, still primitives, and some that relocate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from diffbmp.backend.job.layout import Layout
from numpy.typing import NDArray

from tests.addon.support.layouts import Level, random_layout

Array = NDArray[Any]


def clip_layout(
    count: int,
    frames: int,
    *,
    cut: int = 0,
    relocating: float = 0.1,
    still: float = 0.3,
    knots: int = 4,
    step: int = 1,
    start: int = 1,
    seed: int = 1,
    **options: Any,
) -> tuple[Layout, dict[Level, Array]]:
    """Returns a random_layout over frames. cut: first frame of a second shot of as many primitives, 0 = none.

    relocating, still: shares of the primitives that go elsewhere halfway, and that never move. knots: frames from one
    to the next of the B-splines that the others follow, at a speed of a few pixels a frame.
    """
    generator = np.random.default_rng(seed)
    base, bitmaps = random_layout(count * (2 if cut else 1), seed=seed, **options)
    total = base.count
    spread = {"x": 4.0, "y": 4.0, "scale": 1.0, "rotation": 0.15, "aspect": 0.05, "opacity": 0.05}
    moving = generator.random(total) >= still
    arrays = {}
    for name, amount in spread.items():
        wave = _spline(generator, frames, total, knots) * amount * knots * moving
        arrays[name] = getattr(base, name) + wave
    arrays["scale"] = arrays["scale"].clip(3, None)
    arrays["aspect"] = arrays["aspect"].clip(0.4, 2.5)
    arrays["opacity"] = arrays["opacity"].clip(0.1, 1)
    waves = np.stack([_spline(generator, frames, total, knots) for _ in range(3)], 2)
    arrays["color"] = (base.color + 0.03 * knots * waves * moving[:, None]).clip(0, 1)
    depth = np.broadcast_to(np.arange(total) + total, (frames, total)).copy()
    _relocate(arrays, depth, generator, relocating, (cut, frames) if cut else (0, frames), total)
    if cut:
        arrays["opacity"][cut:, :count] = 0
        arrays["opacity"][:cut, count:] = 0
    numbers = [start + step * number for number in range(frames)]
    return replace(base, **arrays, depth=depth, frames=numbers), bitmaps


def _relocate(
    arrays: dict[str, Array],
    depth: Array,
    generator: np.random.Generator,
    share: float,
    between: tuple[int, int],
    total: int,
) -> None:
    """Lets some fade out, disappear for two frames, and reappear elsewhere in front of all others."""
    first, end = between
    middle = (first + end) // 2
    for index in np.flatnonzero(generator.random(total) < share):
        arrays["opacity"][middle : middle + 2, index] = 0
        for name, low, high in (("x", 0, 100), ("y", 0, 80), ("rotation", -3, 3)):
            arrays[name][middle + 1 :, index] += generator.uniform(low, high) - (high + low) / 2
        depth[middle + 1 :, index] = total - 1 - index


def _spline(generator: np.random.Generator, frames: int, count: int, knots: int) -> Array:
    """Returns cubic B-splines over time with random knots: [F, N], about within [-1, 1]."""
    values = generator.uniform(-1, 1, (frames // knots + 4, count))
    time = np.arange(frames) / knots
    at = time.astype(int)
    t = (time - at)[:, None]
    weights = ((1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6)
    return sum(weight * values[at + offset] for offset, weight in enumerate(weights))
