"""Layouts and stamps of random numbers."""

from __future__ import annotations

import numpy as np

from backend.job import TemplateSpec
from backend.job.layout import Layout
from backend.templates import Template, Templates


def noise_stamps() -> Templates:
    """A stamp of noise in each color mode."""
    rgba = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    return Templates(
        [Template("flat", rgba), Template("multiply", rgba, "multiply", 0.6), Template("mix", rgba, "mix", 0.3)]
    )


def layout_of(templates: Templates, count: int = 12, size: tuple[int, int] = (30, 44), **changes: object) -> Layout:
    """A layout of random primitives; changes: of its fields."""
    random = np.random.default_rng(2)
    height, width = size
    shape = (1, count)
    scale = random.uniform(3, 9, shape)
    template = random.integers(0, len(templates), count)
    level = templates.choose_levels(template, scale[0].astype(np.float32), np.ones(count, np.float32))
    fields = {
        "x": random.uniform(0, width, shape),
        "y": random.uniform(0, height, shape),
        "scale": scale,
        "aspect": np.ones(shape),
        "rotation": random.uniform(0, 6, shape),
        "opacity": random.uniform(0.3, 1, shape),
        "color": random.uniform(0, 1, (*shape, 3)),
        "template": template,
        "level": level,
        "region": np.zeros(count),
        "mirror": random.uniform(size=count) < 0.5,
        "locked": np.zeros(count),
        "width": width,
        "height": height,
        "templates": [TemplateSpec(f"{t.name}.png") for t in templates.items],
    }
    return Layout(**{**fields, **changes})  # type: ignore[arg-type]
