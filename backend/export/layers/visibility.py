"""How much of each primitive is visible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...engines import make_engine
from ...layouts.rendering import layout_arrays
from ...native.arrays import FloatArray
from ...templates import Templates
from ..base import Export


def visible_areas(task: Export, frame: int) -> FloatArray:
    """Sums over the canvas the alpha with which each primitive shows through those in front of it: [N] px.

    It is the derivative of a tinted picture by the primitive's color.
    """
    layout = task.layout
    tinted = Templates([replace(item, mode="tint") for item in task.templates.items])
    params, placement = layout_arrays(layout, frame)
    engine = make_engine(task.settings.engine, tinted, layout.height, layout.width, threads=task.settings.threads)
    plane = np.zeros((3, layout.height, layout.width), np.float32)
    engine.forward(params, placement, plane)
    ones = np.zeros_like(plane)
    ones[0] = 1.0
    areas = engine.backward(params, placement, plane, ones, np.zeros_like(plane[0]))[:, 6]
    by_index = np.empty_like(areas)
    by_index[layout.order(frame)] = areas
    return by_index
