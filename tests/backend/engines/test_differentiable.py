"""The public renderer: gradients by gradcheck and with a custom loss."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from torch import Tensor

import backend
from backend.engines.differentiable import render
from backend.job import UserError
from backend.layouts.rendering import render_layout
from backend.templates import Templates
from tests.backend.support.layouts import layout_of, noise_stamps

# In linear light, PyTorch and the compiled library encode with powers of their own.
TOLERANCE = {"display": 0.0, "linear": 1e-6}


def test_the_package_exports_the_renderer() -> None:
    assert backend.render is render


@pytest.mark.parametrize("space", ["display", "linear"])
def test_reference_passes_gradcheck(space: str) -> None:
    templates, count, size = noise_stamps(), 4, (5, 6)
    random = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=random, dtype=torch.float64)

    # Opacity, color and background away from 0 and 1, where nothing is clamped.
    x, y, scale, rotation = draw(count) * 6, draw(count) * 5, 2 + draw(count), draw(count) * 6
    opacity, color, aspect = 0.1 + 0.8 * draw(count), 0.1 + 0.8 * draw(count, 3), 0.7 + draw(count)
    inputs = [x, y, scale, rotation, opacity, color, aspect, 0.1 + 0.8 * draw(3, *size)]
    image_cotangent, alpha_cotangent = draw(3, *size) - 0.5, draw(*size) - 0.5

    def value(*p: Tensor) -> Tensor:
        image, alpha = render(
            p[0],
            p[1],
            p[2],
            p[3],
            p[4],
            p[5],
            templates=templates,
            size=size,
            template=torch.tensor([0, 1, 2, 1]),
            aspect=p[6],
            mirror=torch.tensor([False, True, False, True]),
            level=torch.zeros(count, 2, dtype=torch.int64),
            background=p[7],
            engine="reference",
            space=space,
        )
        return (image * image_cotangent).sum() + (alpha * alpha_cotangent).sum()

    for tensor in inputs:
        tensor.requires_grad_()
    # The decoding table is piecewise linear: use steps far below its 1/1020.
    assert torch.autograd.gradcheck(value, inputs, eps=1e-7, atol=1e-6, rtol=1e-5)


def test_a_custom_loss_on_the_cpu_engine() -> None:
    """The CPU engine's gradients of all inputs equal the reference's in float64."""
    templates, count, size = noise_stamps(), 10, (33, 29)
    grads = []
    for engine, dtype in (("cpu", torch.float32), ("reference", torch.float64)):
        random = torch.Generator().manual_seed(5)
        inputs = [torch.rand(count, generator=random) for _ in range(5)]
        x, y, scale, rotation, opacity = (
            a * b + c for a, b, c in zip(inputs, (29, 33, 6, 6, 0.9), (0, 0, 4, 0, 0), strict=True)
        )
        color, background = torch.rand(count, 3, generator=random), torch.rand(3, *size, generator=random)
        leaves = [t.to(dtype).requires_grad_() for t in (x, y, scale, rotation, opacity, color, background)]
        image, alpha = render(
            leaves[0],
            leaves[1],
            leaves[2],
            leaves[3],
            leaves[4],
            leaves[5],
            templates=templates,
            size=size,
            template=torch.arange(count) % 3,
            background=leaves[6],
            engine=engine,
        )
        edges = (image.diff(dim=1).abs().sum() + image.diff(dim=2).square().sum()) * alpha.mean()
        grads.append(torch.autograd.grad(edges, leaves))
    for found, truth in zip(*grads, strict=True):
        # Observed 3e-7 to 2e-6.
        assert (found - truth).abs().max() < 1e-5 * truth.abs().max()


def test_defaults_are_white_and_the_first_stamp() -> None:
    templates = noise_stamps()
    empty = torch.zeros(0)
    image, alpha = render(empty, empty, empty, empty, empty, torch.zeros(0, 3), templates=templates, size=(3, 4))
    assert torch.equal(image, torch.ones(3, 3, 4))
    assert torch.equal(alpha, torch.zeros(3, 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": torch.zeros(3)}, r"y has the shape \(3,\), but \(2,\)"),
        ({"color": torch.zeros(2)}, r"color has the shape"),
        ({"template": torch.tensor([0, 9])}, "template has an index without a stamp"),
        ({"level": torch.full((2, 2), -1)}, "level has a mip level that its stamp lacks"),
        ({"level": torch.full((2, 2), 99)}, "level has a mip level that its stamp lacks"),
        ({"level": torch.zeros(2)}, "level has the shape"),
        ({"background": torch.zeros(5)}, r"background has the shape \(5,\), but \(3, 4, 4\)"),
        ({"rotation": torch.ones(2, device="meta")}, r"rotation is on meta.*\.cpu\(\)"),
        ({"background": torch.ones(3, 1, 1, device="meta")}, "background is on meta"),
        ({"space": "log"}, "space is 'log'"),
        ({"engine": "gpu"}, "engine is 'gpu'"),
        ({"size": (0, 4)}, "height is 0, but must be from 1 to 65536"),
        ({"size": (4, 2**31)}, "width is 2.14748e.09, but must be from 1 to 65536"),
        ({"x": torch.tensor([1.0, torch.inf])}, r"x\[1\] is inf, but must be from -1e\+18 to 1e\+18"),
        ({"scale": torch.tensor([-1e30, 1.0])}, r"scale\[0\] is -1e\+30, but must be"),
        ({"aspect": torch.tensor([1e19, 1.0])}, r"aspect\[0\] is 1e\+19, but must be"),
        ({"color": torch.full((2, 3), -torch.inf)}, r"red\[0\] is -inf, but must be"),
        ({"bias": 0.0}, "bias is 0, but must be"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], message: str) -> None:
    one = torch.ones(2)
    arguments: dict[str, object] = {"x": one, "y": one, "scale": one, "rotation": one, "opacity": one}
    arguments |= {"color": torch.ones(2, 3), "templates": noise_stamps(), "size": (4, 4), **change}
    with pytest.raises(UserError, match=message):
        render(**arguments)  # type: ignore[arg-type]


def simple_inputs(count: int = 10) -> list[Tensor]:
    random = torch.Generator().manual_seed(5)
    columns = [torch.rand(count, generator=random) * factor for factor in (30.0, 30.0, 9.0, 6.0, 1.0)]
    return [tensor.requires_grad_() for tensor in (*columns, torch.rand(count, 3, generator=random))]


def draw(inputs: list[Tensor], templates: Templates, size: tuple[int, int] = (32, 32)) -> Tensor:
    x, y, scale, rotation, opacity, color = inputs
    return render(x, y, scale, rotation, opacity, color, templates=templates, size=size)[0]


def test_repeated_calls_share_threads_and_memory() -> None:
    templates, inputs = noise_stamps(), simple_inputs()
    draw(inputs, templates).sum().backward()
    before = threading.active_count()
    gc.disable()
    try:
        for _ in range(20):
            draw(inputs, templates).sum().backward()
        for size in range(33, 43):
            draw(inputs, templates, (size, 32)).sum().backward()
        # An unused engine ends its threads some time later.
        deadline = time.monotonic() + 60.0
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert threading.active_count() <= before
    finally:
        gc.enable()


def test_simultaneous_graphs_are_independent() -> None:
    templates, inputs = noise_stamps(), simple_inputs()
    alone = [torch.autograd.grad(draw(inputs, templates, size).square().sum(), inputs[0])[0] for size in SIZES]
    images = [draw(inputs, templates, size) for size in SIZES]
    together = torch.autograd.grad(sum(image.square().sum() for image in images), inputs[0])[0]  # type: ignore[arg-type]
    assert torch.allclose(together, alone[0] + alone[1], rtol=1e-5, atol=1e-5)


SIZES = ((32, 32), (20, 48))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX forks")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_can_render() -> None:
    """It lacks its parent's threads: waiting for them would hang."""
    templates, inputs = noise_stamps(), simple_inputs()
    with torch.no_grad():
        expected = draw(inputs, templates)
        child = os.fork()
        if child == 0:
            os._exit(0 if torch.equal(draw(inputs, templates), expected) else 1)
    deadline = time.monotonic() + 60.0
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended == (child, 0)


def test_second_derivatives_are_refused() -> None:
    """Second derivatives would be silently incomplete."""
    inputs = simple_inputs()
    loss = draw(inputs, noise_stamps()).square().sum()
    (gradient,) = torch.autograd.grad(loss, inputs[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("space", ["display", "linear"])
def test_a_layout_renders_like_its_primitives(space: str) -> None:
    templates = noise_stamps()
    layout = layout_of(templates, space=space, background=(0.2, 0.5, 0.9))
    image, _ = render(
        torch.from_numpy(layout.x[0]),
        torch.from_numpy(layout.y[0]),
        torch.from_numpy(layout.scale[0]),
        torch.from_numpy(layout.rotation[0]),
        torch.from_numpy(layout.opacity[0]),
        torch.from_numpy(layout.color[0]),
        templates=templates,
        size=(layout.height, layout.width),
        template=torch.from_numpy(layout.template),
        mirror=torch.from_numpy(layout.mirror),
        level=torch.from_numpy(layout.level),
        background=torch.tensor(layout.background)[:, None, None],
        space=space,
    )
    picture = render_layout(layout, templates)
    assert np.allclose(picture[:3], image.clamp(0, 1).numpy(), atol=TOLERANCE[space])
    assert (picture[3] == 1).all()


def test_numbers_that_are_none_are_drawn_as_nothing() -> None:
    """NaN is allowed, and a layout that is scaled beyond single precision."""
    templates = noise_stamps()
    layout = layout_of(templates)
    layout.x[:] = 3e38
    assert not render_layout(layout, templates, width=1000, transparent=True)[3].any()
    nan = torch.full((2,), torch.nan)
    image, alpha = render(nan, nan, nan, nan, nan, torch.ones(2, 3), templates=templates, size=(8, 8))
    assert torch.equal(image, torch.ones(3, 8, 8))
    assert not alpha.any()
