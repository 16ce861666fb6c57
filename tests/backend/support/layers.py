"""Random layouts for the tests of exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.export.base import Export
from backend.job import ExportSettings, TemplateSpec
from backend.job.layout import Layout
from backend.templates import Template, Templates

KINDS = (("tint", 0.0), ("mix", 0.6), ("multiply", 0.8))


def make_templates(side: int = 24, names: tuple[str, ...] = ("leaf", "star", "moon")) -> tuple[Templates, list[Any]]:
    """A soft stamp for each color mode, wider than high, and the specs."""
    generator = np.random.default_rng(5)
    y, x = np.mgrid[-1 : 1 : (side * 3 // 4) * 1j, -1 : 1 : side * 1j]
    alpha = np.clip(2.5 * (1.0 - np.hypot(x, y)), 0, 1)[..., None]
    items, specs = [], []
    for number, name in enumerate(names):
        mode, blend = KINDS[number % len(KINDS)]
        pixels = np.concatenate([generator.random((*alpha.shape[:2], 3)), alpha], 2)
        rgba = np.rint(pixels * 255).astype(np.uint8)
        items.append(Template(name, rgba, mode, blend))
        spec: dict[str, Any] = {"name": name, "mode": mode, "blend": blend, "width": side, "height": side * 3 // 4}
        specs.append(TemplateSpec(f"{number}.png", **spec))
    return Templates(items), specs


def make_layout(
    count: int = 40,
    width: int = 96,
    height: int = 64,
    frames: int = 1,
    names: tuple[str, ...] = ("leaf", "star", "moon"),
    **changed: Any,
) -> tuple[Layout, Templates]:
    """Primitives of all kinds, some off the canvas."""
    generator = np.random.default_rng(7)
    templates, specs = make_templates(names=names)
    template = generator.integers(0, len(names), count).astype(np.int32)
    shape = (frames, count)
    scale, aspect = generator.uniform(4, 16, shape), np.exp(generator.uniform(-0.5, 0.5, shape))
    level = templates.choose_levels(
        template.astype(np.int64), scale[0].astype(np.float32), aspect[0].astype(np.float32)
    )
    values: dict[str, Any] = {
        "x": generator.uniform(-8, width + 8, shape),
        "y": generator.uniform(-8, height + 8, shape),
        "scale": scale,
        "aspect": aspect,
        "rotation": generator.uniform(-7, 7, shape),
        "opacity": generator.uniform(0, 1, shape),
        "color": generator.random((*shape, 3)),
        "template": template,
        "level": level,
        "region": generator.integers(0, 2, count),
        "mirror": generator.random(count) < 0.5,
        "locked": np.zeros(count, bool),
        "background": (0.9, 0.8, 0.2),
        "frames": list(range(1, frames + 1)),
    }
    return Layout(**{**values, **changed}, width=width, height=height, templates=specs), templates


def task(layout: Layout, templates: Templates, path: Path, **settings: Any) -> Export:
    return Export(layout, templates, path, ExportSettings(threads=1, **settings), lambda done, total: None)


def over(below: NDArray[np.float64], pixels: NDArray[Any], left: int, top: int, opacity: float) -> None:
    """Composites 8-bit straight RGBA over premultiplied RGBA [h, w, 4] in [0, 1], in place."""
    height, width = below.shape[:2]
    top_edge, left_edge = max(top, 0), max(left, 0)
    bottom, right = min(top + pixels.shape[0], height), min(left + pixels.shape[1], width)
    if bottom <= top_edge or right <= left_edge:
        return
    part = pixels[top_edge - top : bottom - top, left_edge - left : right - left] / 255.0
    alpha = part[..., 3:] * opacity
    source = np.concatenate([part[..., :3] * alpha, alpha], 2)
    behind = below[top_edge:bottom, left_edge:right]
    behind[:] = source + (1 - alpha) * behind
