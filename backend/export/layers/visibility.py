"""How much of each primitive is visible."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...engines import make_rasterizer
from ...rendering import layout_tensors
from ...templates import Templates
from ..base import Export


def visible_areas(task: Export, frame: int) -> Tensor:
    """Sums over the canvas the alpha with which each primitive shows through those in front of it: [N] px.

    It is the derivative of a tinted picture by the primitive's color.
    """
    layout = task.layout
    tinted = Templates([replace(item, mode="tint") for item in task.templates.items])
    params, placement = layout_tensors(layout, frame)
    engine, threads = task.settings.engine, task.settings.threads
    rasterizer = make_rasterizer(engine, tinted, layout.height, layout.width, threads=threads)
    there = rasterizer.torch_device
    plane = torch.zeros(3, layout.height, layout.width, device=there)
    params, placement = params.to(there), placement.to(there)
    rasterizer.forward(params, placement, plane)
    ones = torch.zeros_like(plane)
    ones[0] = 1.0
    areas = rasterizer.backward(params, placement, plane, ones, torch.zeros_like(plane[0]))[:, 6].cpu()
    by_index = torch.empty_like(areas)
    by_index[torch.from_numpy(layout.order(frame))] = areas
    return by_index
