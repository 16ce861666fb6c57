"""Pictures of tensors and layouts by engines on another device than the CPU.

The device is one that only claims to be another (far_device.py), so what is computed is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.engines.differentiable import render
from backend.engines.rasterizers import make_rasterizer
from backend.engines.tensors import FarEngine
from backend.layouts.rendering import render_layout
from tests.backend.support.far_device import FAR, FarDevice, FarRasterizer
from tests.backend.support.layouts import layout_of, noise_stamps

CPU = torch.device("cpu")


def far(*arguments: Any, **options: Any) -> FarRasterizer:
    return FarRasterizer(make_rasterizer(*arguments, **options))


@pytest.mark.parametrize(("tensors", "engine"), [(FAR, FAR), (FAR, CPU), (CPU, FAR)])
def test_rendering_on_any_device_by_an_engine_on_any(
    tensors: torch.device, engine: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates, height, width = noise_stamps(), 20, 30
    random = torch.Generator().manual_seed(0)
    given = torch.rand(9, 12, generator=random) * 0.6 + 0.2
    given[:3] *= torch.tensor([30.0, 20.0, 9.0])[:, None]
    target = torch.rand(3, height, width, generator=random)

    def rendered(device: torch.device) -> list[Tensor]:
        leaf, background = (tensor.clone().to(device).requires_grad_() for tensor in (given, target))
        options: dict[str, Any] = {"template": (given[0] > 15).long().to(device), "space": "linear"}
        options |= {"templates": templates, "size": (height, width), "background": background}
        x, y, scale, aspect, rotation, opacity = leaf[:6]
        image, alpha = render(x, y, scale, rotation, opacity, leaf[6:].T, aspect=aspect, **options)
        loss = (image - target.to(device)).square().sum() + alpha.square().sum()
        results = [image.detach(), alpha.detach(), *torch.autograd.grad(loss, (leaf, background))]
        assert all(result.device == device for result in results)
        return [result.cpu() for result in results]

    expected = rendered(CPU)
    templates.derived.clear()
    monkeypatch.setattr("backend.engines.differentiable.DEVICES", ("cpu", FAR.type))
    if engine == FAR:
        monkeypatch.setattr("backend.engines.differentiable.make_rasterizer", far)
    with FarDevice():
        found = rendered(tensors)
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


@pytest.mark.parametrize("space", ["display", "linear"])
def test_layouts_are_rendered_to_the_cpu(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    templates = noise_stamps()
    layout = layout_of(templates, space=space)
    expected = [render_layout(layout, templates, transparent=transparent) for transparent in (False, True)]
    made: list[FarEngine] = []

    def make(*arguments: Any, **options: Any) -> FarEngine:
        made.append(FarEngine(far(*arguments, **options), options["space"]))
        return made[-1]

    monkeypatch.setattr("backend.layouts.rendering.make_engine", make)
    with FarDevice():
        found = [render_layout(layout, templates, transparent=transparent) for transparent in (False, True)]
    assert len(made) == 2
    assert all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True))


def test_what_is_in_the_wrong_place_is_found() -> None:
    """That the device which is none is as strict as one that is."""
    near = torch.arange(4.0)
    with FarDevice() as device:
        there = near.to(FAR, non_blocking=True)
        assert (there + near[2]).device == FAR
        mixtures: list[Callable[[], Tensor]] = [
            lambda: there + near,
            lambda: near.add_(there),
            lambda: there[near.long()],
            lambda: torch.cat([there, near]),
            lambda: torch.stack([there.sum(), near.sum()]),
            lambda: torch.rand(3, device=FAR, generator=torch.Generator()),
            lambda: torch.tensor([1.0, 2.0], device=FAR) + there,
        ]
        for mixture in mixtures:
            with pytest.raises(AssertionError):
                mixture()
        for outlet in (there.numpy, there.tolist):
            with pytest.raises(RuntimeError):
                outlet()
        assert device.waits == []
        looks: list[Callable[[], object]] = [
            lambda: float(there.sum()),
            lambda: bool(there.any()),
            lambda: there.nonzero(),
            lambda: there[there > 1],
            lambda: there.cpu(),
            lambda: near.to(FAR),
        ]
        for number, look in enumerate(looks):
            look()
            assert len(device.waits) == number + 1
