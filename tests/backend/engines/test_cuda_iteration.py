"""Whole steps of the CUDA engine, on emulated kernels, against the optimizer in PyTorch on the CPU engine."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from backend import doctor
from backend.engines.cpu import CpuRasterizer
from backend.engines.cuda.rasterizer import CudaRasterizer
from backend.engines.interface import Placement, Rasterizer, Variables
from backend.fitting.constraints.limits import Bounds
from backend.fitting.optimizer import Optimizer
from backend.fitting.recipe import DEFAULT
from backend.job import Limits
from backend.pictures.color import decode
from backend.templates import Template, Templates
from tests.backend.emulation.gpu import EmulatedGpu
from tests.backend.support.pictures import soft_disc

HEIGHT, WIDTH, COUNT = 70, 90, 60
# Float arithmetic in another order, divided by the root of the second moment; observed 3e-6 after one step.
TOLERANCE = 3e-5

RULE = DEFAULT.adam_rule(spacing=9.0, iterations=100)


def stamps() -> Templates:
    rgba = soft_disc(48, 64, edge=8, slope=3)
    stretching = Limits(stretch=3.0)
    return Templates([Template("flat", rgba, limits=stretching), Template("mix", rgba, "mix", 0.4, stretching)])


class Scene:
    """Random primitives of all kinds, and the other inputs of a step."""

    def __init__(self, seed: int = 0) -> None:
        self.templates = stamps()
        random = torch.Generator().manual_seed(seed)
        free = torch.rand(COUNT, 9, generator=random)
        free[:, 0] *= WIDTH
        free[:, 1] *= HEIGHT
        free[:, 2] = 4 + 12 * free[:, 2]
        free[:, 3] = (2 * math.log(3) * free[:, 3] - math.log(3)).exp()
        free[:, 4] = 7 * free[:, 4] - 3.5
        free[:, 5] = 0.1 + 0.8 * free[:, 5]
        low, high = torch.full((COUNT, 9), -torch.inf), torch.full((COUNT, 9), torch.inf)
        low[:, 2], high[:, 2] = 4.0, 15.9
        low[:, 3], high[:, 3] = 1 / 3, 3.0
        low[:20, 4], high[:20, 4] = 0.2, 0.9  # the others turn freely
        low[:, 5], high[:, 5] = 0.0025, 0.9975
        low[:, 6:], high[:, 6:] = 0.0, 1.0
        self.free, self.bounds = free, Bounds(low, high)
        self.frozen = torch.rand(COUNT, 9, generator=random) < 0.1
        self.template = torch.randint(0, 2, (COUNT,), generator=random)
        self.mirror = torch.rand(COUNT, generator=random) < 0.5
        self.palette = torch.rand(5, 3, generator=random)
        self.background, self.target = torch.rand(2, 3, HEIGHT, WIDTH, generator=random)
        self.weight = torch.rand(HEIGHT, WIDTH, generator=random) / 100

    def variables(self) -> Variables:
        zero = torch.zeros(COUNT, 9)
        low, high = self.bounds.low, self.bounds.high
        free = torch.where(self.frozen, self.free, self.bounds.clamp(self.free))
        return Variables(free, zero, zero.clone(), torch.zeros(COUNT, 1), low, high, self.frozen)


@pytest.mark.parametrize("shrink", [1, 2])
@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("limited", [None, False, True])
def test_a_whole_step_matches_the_optimizer(
    emulated_gpu: EmulatedGpu, space: str, limited: bool | None, shrink: int
) -> None:
    scene, linear = Scene(), space == "linear"
    palette = None if limited is None else scene.palette
    optimizer = Optimizer(scene.free, scene.bounds, scene.frozen, RULE, linear=linear, palette=palette)
    if limited:
        optimizer.limit_colors()
    background, target, weight = (plane[..., ::shrink, ::shrink] for plane in planes(scene))
    height, width = weight.shape
    engine = CpuRasterizer(scene.templates, height, width, space=space)
    cuda = CudaRasterizer(scene.templates, height, width, emulated_gpu, space=space)
    iteration = cuda.iteration(COUNT, RULE, palette=palette, shrink=shrink)
    assert iteration is not None
    iteration.load(scene.variables(), scene.template, scene.mirror)
    unit = torch.ones(9)
    unit[:3] = 1 / shrink
    for rate, bias, scored in ((1.0, 0.5, False), (0.7, 1.0, True), (0.5, 1.0, False)):
        # Both continue from the same values: Adam divides by small ones, and differences would grow.
        given = copied(iteration.variables)
        loss, encoded, scores = iteration.run(
            background, target, weight, rate=rate, bias=bias, limited=bool(limited), scored=scored
        )
        params = optimizer.params * unit
        level = scene.templates.choose_levels(scene.template, optimizer.params[:, 2], optimizer.params[:, 3], bias)
        placement = Placement(scene.template, level, scene.mirror)
        true_loss, gradient, true_scores = engine.scored_step(params, placement, background, target, weight)
        assert float(loss) == pytest.approx(float(true_loss), rel=1e-6)
        assert torch.allclose(encoded, optimizer.encoded, atol=1e-6)
        assert (scores is not None) == scored
        if scores is not None:
            assert torch.allclose(scores.image, true_scores.image, atol=1e-5)
            assert torch.allclose(scores.removal, true_scores.removal, atol=1e-5)
        optimizer.step(gradient * unit, rate)
        assert torch.allclose(iteration.variables.free, optimizer.variables.free, rtol=TOLERANCE, atol=TOLERANCE)
        assert torch.equal(iteration.variables.free[scene.frozen], given.free[scene.frozen])
        assert torch.equal(iteration.variables.age, given.age + 1)


def planes(scene: Scene) -> tuple[Tensor, Tensor, Tensor]:
    return scene.background, scene.target, scene.weight


def copied(variables: Variables) -> Variables:
    return Variables(**{name: tensor.clone() for name, tensor in vars(variables).items()})


def test_a_step_without_enough_memory_changes_nothing_and_later_ones_have_more(emulated_gpu: EmulatedGpu) -> None:
    scene = Scene()
    cuda = CudaRasterizer(scene.templates, HEIGHT, WIDTH, emulated_gpu)
    iteration = cuda.iteration(COUNT, RULE)
    assert iteration is not None
    iteration.load(scene.variables(), scene.template, scene.mirror)

    def run() -> float:
        return float(iteration.run(*planes(scene), rate=1.0, bias=1.0, limited=False, scored=False)[0])

    assert math.isfinite(run())
    # All become as large as the canvas at once, which no step of Adam can do.
    large = dataclasses.replace(scene.variables())
    large.free = large.free.clone()
    large.free[:, 2] = 2000.0
    iteration.variables.free.copy_(large.free)
    before = copied(iteration.variables)
    losses = [run()]
    assert losses == [math.inf]
    for name, tensor in vars(iteration.variables).items():
        assert torch.equal(tensor, getattr(before, name)), name
    losses += [run() for _ in range(8)]
    assert math.isfinite(losses[-1])
    assert not torch.equal(iteration.variables.free, before.free)


@pytest.mark.parametrize("space", ["display", "linear"])
def test_levels_match_those_of_templates(emulated_gpu: EmulatedGpu, space: str) -> None:
    """Decoded colors and chosen levels show in the picture, which must equal the engine's."""
    scene = Scene(3)
    scene.free[:, 3] = 1.0
    scene.free[:, 2] = torch.linspace(4.0, 15.0, COUNT)
    scene.frozen[:] = False
    cuda = CudaRasterizer(scene.templates, HEIGHT, WIDTH, emulated_gpu, space=space)
    iteration = cuda.iteration(COUNT, RULE)
    assert iteration is not None
    variables = scene.variables()
    iteration.load(variables, scene.template, scene.mirror)
    for bias in (0.125, 0.4, 1.0, 2.0):
        iteration.variables.free.copy_(variables.free)
        _, encoded, scores = iteration.run(*planes(scene), rate=1.0, bias=bias, limited=False, scored=True)
        assert scores is not None
        level = scene.templates.choose_levels(scene.template, encoded[:, 2], encoded[:, 3], bias)
        params = encoded.clone()
        if space == "linear":
            params[:, 6:] = decode(params[:, 6:])
        placement = Placement(scene.template, level, scene.mirror)
        image, _ = CpuRasterizer(scene.templates, HEIGHT, WIDTH, space=space).forward(
            params, placement, scene.background
        )
        assert torch.allclose(scores.image, image, atol=1e-5)


def test_grown_primitives_are_sharp_after_the_next_check(emulated_gpu: EmulatedGpu) -> None:
    scene = Scene(4)
    rgba = np.random.default_rng(0).integers(0, 256, (400, 400, 4), np.uint8)
    scene.templates = Templates([Template("noise", rgba, "mix", 0.5)])
    scene.free[:, 2:4] = torch.tensor([4.0, 1.0])
    scene.frozen[:] = True
    scene.template[:] = 0
    cuda = CudaRasterizer(scene.templates, HEIGHT, WIDTH, emulated_gpu)
    iteration = cuda.iteration(COUNT, RULE)
    assert iteration is not None
    iteration.load(scene.variables(), scene.template, scene.mirror)
    small = cuda.held_bytes
    for _ in range(2):
        iteration.run(*planes(scene), rate=1.0, bias=1.0, limited=False, scored=True)
    assert cuda.held_bytes == small
    iteration.variables.free[0, 2] = 300.0
    for _ in range(9):
        _, encoded, scores = iteration.run(*planes(scene), rate=1.0, bias=1.0, limited=False, scored=True)
    assert cuda.held_bytes > 100 * small
    assert scores is not None
    level = scene.templates.choose_levels(scene.template, encoded[:, 2], encoded[:, 3], 1.0)
    placement = Placement(scene.template, level, scene.mirror)
    image, _ = CpuRasterizer(scene.templates, HEIGHT, WIDTH).forward(encoded, placement, scene.background)
    assert torch.allclose(scores.image, image, atol=1e-5)


@pytest.mark.parametrize("space", ["display", "linear"])
def test_the_doctor_examines_whole_steps(
    emulated_gpu: EmulatedGpu, monkeypatch: pytest.MonkeyPatch, space: str
) -> None:
    real = doctor.make_rasterizer

    def emulated(engine: str, templates: Templates, height: int, width: int, **options: Any) -> Rasterizer:
        if engine != "cuda":
            return real(engine, templates, height, width, **options)
        return CudaRasterizer(templates, height, width, emulated_gpu, space=options["space"])

    monkeypatch.setattr(doctor, "make_rasterizer", emulated)
    error = doctor._step_error("cuda", space)
    assert error is not None
    assert error < 1e-5
    assert doctor._step_error("cpu", space) is None
    program = emulated_gpu.program(linear=space == "linear", textured=True)
    launch = program.launch
    monkeypatch.setattr(
        program, "launch", lambda kernel, *args: None if kernel == "descend_variables" else launch(kernel, *args)
    )
    without = doctor._step_error("cuda", space)
    assert without is not None
    assert without > 0.1
